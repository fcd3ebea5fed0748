"""Random PyTorch models as hypothesis draws them. Imports torch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from hypothesis import strategies as st
from torch import nn

KINDS = ("LSTM", "GRU", "RNN")


@dataclass(frozen=True, slots=True)
class Plan:
    """What a model is made of; its weights come from `seed`.

    Attributes:
        family: "module" (nn.LSTM and its like), "cells" (nn.LSTMCell and its like in a loop), "written out".
        looks_at: "last", "all" or "state".
        given: initial states are inputs, final states are outputs.
        gates: order of the written-out cell's gates in its Linear layers.
    """

    family: str
    kind: str
    features: int
    units: int
    steps: int
    layers: int
    bias: bool
    bidirectional: bool
    batch_first: bool
    batch: int
    given: bool
    looks_at: str
    head: str
    seed: int
    gates: tuple[int, ...]
    joined: bool
    scaled: bool


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    family = draw(st.sampled_from(["module", "module", "cells", "written out"]))
    kind = "LSTM" if family == "written out" else draw(st.sampled_from(KINDS))
    small = st.integers(1, 9)
    return Plan(
        family=family,
        kind=kind,
        features=draw(small),
        units=draw(small),
        steps=draw(st.integers(1, 6)),
        layers=draw(st.integers(1, 3)),
        bias=draw(st.booleans()),
        bidirectional=family == "module" and draw(st.booleans()),
        batch_first=draw(st.booleans()),
        batch=draw(st.sampled_from([1, 1, 3])),
        given=draw(st.booleans()),
        looks_at=draw(st.sampled_from(["last", "all", "state"])),
        head=draw(st.sampled_from(["", "linear", "relu", "tanh", "sigmoid", "softmax"])),
        seed=draw(st.integers(0, 2**31)),
        gates=tuple(draw(st.permutations(range(4)))),
        joined=draw(st.booleans()),
        scaled=draw(st.booleans()),
    )


class WrittenOut(nn.Module):
    """An LSTM cell from Linear layers, its gates in any order."""

    def __init__(self, features: int, units: int, plan: Plan) -> None:
        super().__init__()
        self.order, self.joined = plan.gates, plan.joined
        if plan.joined:
            self.both = nn.Linear(features + units, 4 * units, bias=plan.bias)
        else:
            self.linear1 = nn.Linear(features, 4 * units, bias=plan.bias)
            self.linear2 = nn.Linear(units, 4 * units, bias=plan.bias)

    def forward(self, x: torch.Tensor, states: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        h, c = states
        z = self.both(torch.cat([x, h], dim=1)) if self.joined else self.linear2(h) + self.linear1(x)
        parts = z.chunk(4, dim=-1)
        i, f, g, o = (parts[k] for k in self.order)
        c = torch.sigmoid(i) * torch.tanh(g) + c * torch.sigmoid(f)
        return torch.tanh(c) * torch.sigmoid(o), c


class Model(nn.Module):
    """A model of a plan: recurrent layers, then a head."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.plan = plan
        width = plan.units * (1 + plan.bidirectional)
        if plan.family == "module":
            make = getattr(nn, plan.kind)
            self.rnn = make(
                plan.features,
                plan.units,
                plan.layers,
                bias=plan.bias,
                batch_first=plan.batch_first,
                dropout=0.3 if plan.layers > 1 else 0.0,
                bidirectional=plan.bidirectional,
            )
        else:
            sizes = [plan.features] + [plan.units] * (plan.layers - 1)
            self.cells = nn.ModuleList(
                WrittenOut(size, plan.units, plan)
                if plan.family == "written out"
                else getattr(nn, f"{plan.kind}Cell")(size, plan.units, bias=plan.bias)
                for size in sizes
            )
        self.head = nn.Linear(width, 4) if plan.head else nn.Identity()
        generator = torch.Generator().manual_seed(plan.seed)
        for parameter in self.parameters():
            # Larger ones make a chaotic model, in which two orders of the same sum end far apart.
            deviation = parameter.shape[1] ** -0.5 if parameter.ndim > 1 else 0.3
            nn.init.normal_(parameter, 0, deviation, generator=generator)

    @property
    def cell_count(self) -> int:
        return self.plan.layers * (1 + self.plan.bidirectional)

    def inputs(self) -> tuple[torch.Tensor, ...]:
        """Arguments of forward, batch included."""
        plan = self.plan
        rows = (plan.batch, plan.steps) if plan.batch_first else (plan.steps, plan.batch)
        states = 1 + (plan.kind == "LSTM")
        shape = (self.cell_count, plan.batch, plan.units)
        return (torch.zeros(*rows, plan.features), *(torch.zeros(shape) for _ in range(states * plan.given)))

    def forward(self, x: torch.Tensor, *states: torch.Tensor) -> tuple[torch.Tensor, ...]:
        plan = self.plan
        if plan.scaled:
            x = (x - 0.25) * 2.0 / 3 + 1
        sequence, finals = self.module(x, states) if plan.family == "module" else self.loop(x, states)
        if plan.looks_at == "state":
            h = finals[0]
            y = torch.cat([h[-2], h[-1]], dim=1) if plan.bidirectional else h[-1]
        else:
            y = sequence[:, -1] if plan.batch_first else sequence[-1]
            y = y if plan.looks_at == "last" else sequence
        y = self.head(y)
        if plan.head == "softmax":
            y = torch.softmax(y, dim=-1)
        elif plan.head not in ("", "linear"):
            y = getattr(torch, plan.head)(y)
        return (y, *finals) if plan.given else (y,)

    def module(
        self, x: torch.Tensor, states: tuple[torch.Tensor, ...]
    ) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        given = (states if self.plan.kind == "LSTM" else states[0]) if states else None
        sequence, finals = self.rnn(x, given)
        return sequence, finals if self.plan.kind == "LSTM" else (finals,)

    def loop(self, x: torch.Tensor, states: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        plan = self.plan
        count = 1 + (plan.kind == "LSTM")
        zero = x.new_zeros(plan.batch, plan.units)
        now = [tuple(state[k] for state in states) if states else (zero,) * count for k in range(plan.layers)]
        rows = []
        for step in range(plan.steps):
            row = x[:, step] if plan.batch_first else x[step]
            for k, cell in enumerate(self.cells):
                if plan.scaled and k == 0:
                    row = torch.relu(row * 0.5)
                result = cell(row, now[k] if count == 2 else now[k][0])
                now[k] = result if count == 2 else (result,)
                row = now[k][0]
            rows.append(row)
        finals = tuple(torch.stack([state[which] for state in now]) for which in range(count))
        return torch.stack(rows, 1 if plan.batch_first else 0), finals
