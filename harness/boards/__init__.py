"""The kinds of board there are, the targets attached here, and how to hold, start and reset one."""
