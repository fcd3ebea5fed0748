"""PyTorch programs: what is taken, what is refused by name, and that nothing in a file is run."""

from __future__ import annotations

import copy
import json
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.errors import UsageError
from harness.model.bundle import load_bundle
from harness.model.model_file import read_model_file
from harness.model.reference import TORCH
from tests.torch_extra import needs_torch, save_program

# torch warns of its own export.
pytestmark = pytest.mark.filterwarnings("ignore:The tensor attributes")


@pytest.fixture(scope="module")
def nets() -> Any:
    """torch, torch.nn and a few modules."""
    import torch
    from torch import nn

    class Net(nn.Module):
        def __init__(self, head: nn.Module, **options: Any) -> None:
            super().__init__()
            self.lstm, self.head = nn.LSTM(3, 4, batch_first=True, **options), head

        def forward(self, x: Any) -> Any:
            return self.head(self.lstm(x)[0][:, -1])

    class Nets:
        pass

    made: Any = Nets()
    made.torch, made.nn, made.Net = torch, nn, Net
    made.x = torch.zeros(1, 5, 3)
    return made


@pytest.fixture
def saved(nets: Any, tmp_path: Path) -> Path:
    return save_program(nets.Net(nets.nn.Linear(4, 2)).eval(), (nets.x,), tmp_path / "net.pt2")


def rewritten(path: Path, name: str, change: Any) -> Path:
    """A copy of the archive with one file changed."""
    out = path.with_name("changed.pt2")
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(out, "w") as target:
        for each in source.namelist():
            content = source.read(each)
            target.writestr(each, change(content) if each.endswith(name) else content)
    return out


def test_without_torch_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib import metadata

    def absent(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr("harness.model.reference.metadata.version", absent)
    with pytest.raises(UsageError, match=r"torch not installed.*\n.*pip install 'hil-harness\[torch\]'"):
        TORCH.check()


@pytest.mark.parametrize("name", ["weights.pt", "weights.pth", "weights.pt2"])
def test_a_pickle_is_refused_unopened(tmp_path: Path, name: str) -> None:
    class Trap:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "opened",))

    path = tmp_path / name
    path.write_bytes(pickle.dumps(Trap()))
    with pytest.raises(UsageError, match=r"pickled PyTorch model.*\n.*torch\.export\.save"):
        read_model_file(path)
    assert not (tmp_path / "opened").exists()


@needs_torch
def test_a_model_saved_by_torch_save_is_refused(nets: Any, tmp_path: Path) -> None:
    nets.torch.save(nets.Net(nets.nn.Linear(4, 2)).state_dict(), tmp_path / "state.pt2")
    with pytest.raises(UsageError, match=r"pickled PyTorch model.*\n.*torch\.export\.save"):
        read_model_file(tmp_path / "state.pt2")


@needs_torch
def test_golden_outputs_are_torchs(nets: Any, saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIL_CACHE_DIR", str(tmp_path / "cache"))
    x = np.random.default_rng(0).normal(size=(4, 5, 3)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    bundle = load_bundle(saved, vectors=tmp_path / "x.npy")
    module = nets.torch.export.load(saved).module()
    with nets.torch.inference_mode():
        wanted = [module(nets.torch.from_numpy(row[np.newaxis])).numpy()[0] for row in x]
    np.testing.assert_allclose(bundle.golden[0], wanted, rtol=0, atol=1e-6)
    assert bundle.graph.framework.startswith("torch ")
    assert [layer.kind for layer in bundle.graph.layers] == ["LSTM", "Dense"]
    assert bundle.graph.layers[0].config["return_sequences"] is False  # only the last step is looked at


@needs_torch
def test_a_program_that_ends_in_a_softmax_is_a_classifier(nets: Any, tmp_path: Path) -> None:
    head = nets.nn.Sequential(nets.nn.Linear(4, 2), nets.nn.Softmax(dim=-1))
    assert read_model_file(save_program(nets.Net(head).eval(), (nets.x,), tmp_path / "m.pt2")).is_classifier


@needs_torch
def test_an_unknown_operator_is_refused_by_name_with_what_is_supported(nets: Any, tmp_path: Path) -> None:
    path = save_program(nets.nn.Conv1d(3, 4, 2).eval(), (nets.torch.zeros(1, 3, 5),), tmp_path / "conv.pt2")
    with pytest.raises(UsageError, match=r"aten\.conv1d\.default.*\n.*nn\.LSTM, nn\.GRU"):
        read_model_file(path)


@needs_torch
def test_dropout_left_in_training_mode_is_refused(nets: Any, tmp_path: Path) -> None:
    path = save_program(nets.Net(nets.nn.Dropout(0.5)).train(), (nets.x,), tmp_path / "train.pt2")
    with pytest.raises(UsageError, match=r"'head' is a dropout in training mode\n.*model\.eval\(\)"):
        read_model_file(path)


@needs_torch
def test_dynamic_shapes_are_refused(nets: Any, tmp_path: Path) -> None:
    batch = {"x": {0: nets.torch.export.Dim("batch")}}
    two = nets.torch.zeros(2, 5, 3)
    path = save_program(nets.Net(nets.nn.Linear(4, 2)).eval(), (two,), tmp_path / "d.pt2", dynamic_shapes=batch)
    with pytest.raises(UsageError, match="dynamic shapes; a board computes fixed ones"):
        read_model_file(path)


@needs_torch
def test_nan_weights_are_refused_by_name(nets: Any, tmp_path: Path) -> None:
    net = nets.Net(nets.nn.Linear(4, 2)).eval()
    with nets.torch.no_grad():
        net.lstm.weight_hh_l0[0, 0] = float("nan")
    with pytest.raises(UsageError, match="weight of lstm holds NaN"):
        read_model_file(save_program(net, (nets.x,), tmp_path / "nan.pt2"))


@needs_torch
def test_other_numbers_than_float32_are_refused(nets: Any, tmp_path: Path) -> None:
    path = save_program(nets.Net(nets.nn.Linear(4, 2)).double().eval(), (nets.x.double(),), tmp_path / "d.pt2")
    with pytest.raises(UsageError, match=r"not float32\n.*model\.float\(\)"):
        read_model_file(path)


@needs_torch
def test_a_file_cut_anywhere_is_refused(saved: Path) -> None:
    whole = saved.read_bytes()
    for length in [*range(0, len(whole) - 1, 997), len(whole) - 1]:
        saved.write_bytes(whole[:length])
        with pytest.raises(UsageError):
            read_model_file(saved)


@needs_torch
def test_weights_said_to_be_pickled_are_refused_unopened(saved: Path) -> None:
    changed = rewritten(
        saved, "model_weights_config.json", lambda c: c.replace(b'"use_pickle": false', b'"use_pickle": true')
    )
    with pytest.raises(UsageError, match=r"lstm\.weight_ih_l0 is pickled"):
        read_model_file(changed)


@needs_torch
def test_sizes_beyond_the_stored_numbers_are_refused(saved: Path) -> None:
    def larger(content: bytes) -> bytes:
        config = json.loads(content)
        config["config"]["lstm.weight_ih_l0"]["tensor_meta"]["sizes"][0]["as_int"] = 1 << 40
        return json.dumps(config).encode()

    with pytest.raises(UsageError, match=r"lstm\.weight_ih_l0 is cut short"):
        read_model_file(rewritten(saved, "model_weights_config.json", larger))


@needs_torch
def test_damaged_json_is_refused(saved: Path) -> None:
    for old, new in (
        (b'"as_int"', b'"as_bool"'),
        (b'"input_specs"', b'"x"'),
        (b'"as_tensor"', b'"as_graph"'),
        (b"{", b"["),
    ):
        with pytest.raises(UsageError):
            read_model_file(rewritten(saved, "model.json", lambda c, old=old, new=new: c.replace(old, new)))


@needs_torch
@pytest.mark.parametrize("seed", range(4))
def test_damage_anywhere_in_the_json_ends_in_a_refusal_or_a_model(nets: Any, saved: Path, seed: int) -> None:
    """Values exchanged, dropped or made odd: nothing but a UsageError comes out."""
    random = np.random.default_rng(seed)
    odd = [None, 0, -1, 3, 1 << 40, "", "x", [], {}, True, 1.5]
    refused = 0
    for _ in range(60):

        def damaged(content: bytes) -> bytes:
            document = json.loads(content)
            places = list(_places(document["graph_module"]["graph"]))
            parent, key = places[random.integers(len(places))]
            other, where = places[random.integers(len(places))]
            if random.random() < 0.3:
                del parent[key]
            else:
                parent[key] = odd[random.integers(len(odd))] if random.random() < 0.4 else copy.deepcopy(other[where])
            return json.dumps(document).encode()

        try:
            read_model_file(rewritten(saved, "model.json", damaged))
        except UsageError:
            refused += 1
    assert refused > 10, "hardly any damage was seen"


def _places(node: Any) -> Any:
    """(container, key) of everything below."""
    keys = list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
    for key in keys:
        yield node, key
        yield from _places(node[key])
