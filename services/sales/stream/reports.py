"""Stream: what the engine's process tells the one that started it, in JSON lines."""

import msgspec


class EngineReport(msgspec.Struct, kw_only=True):
    """How far the engine has come since its start."""

    records: int = 0
    """Records read, those between its own steps included."""
    dead_letters: dict[str, int] = {}
    """By their code."""
    left_out: int = 0
    """Records of strangers in the topic between its steps."""


encode_report = msgspec.json.Encoder().encode
read_report = msgspec.json.Decoder(EngineReport).decode
