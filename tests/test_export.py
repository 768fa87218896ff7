"""Merge and GGUF, with the real converter and llama.cpp, on the tiny base."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from stages.foundry import chat, engines, export, files
from stages.foundry.params import Params
from stages.foundry.stage import FoundryError

# The naming convention of the GGUF specification, without shards and LoRA types.
SPEC = re.compile(
    r"^(?P<base>[A-Za-z0-9\s]*(?:-[A-Za-z\s][A-Za-z0-9\s]*)*)-(?P<size>(?:\d+\.)?\d+[A-Za-z])"
    r"(?:-(?P<finetune>[A-Za-z0-9\s-]+))?-(?P<version>v\d+(?:\.\d+)*)-(?P<encoding>[\w_]+)\.gguf$"
)


@pytest.fixture(scope="module")
def models(tiny: Path, tmp_path_factory: pytest.TempPathFactory, defaults: Params) -> Iterator[Path]:
    """adapter/ (random, far from zero), merged/ (float32), F16/ and Q4_K_M/."""
    import torch
    from peft import LoraConfig, get_peft_model

    from stages.foundry.engines.hf import load

    folder = tmp_path_factory.mktemp("exported")
    torch.manual_seed(0)
    model = get_peft_model(load(tiny), LoraConfig(r=4, lora_alpha=4, target_modules="all-linear", task_type="CAUSAL_LM"))
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.02)
    model.save_pretrained(str(folder / "adapter"))
    base = defaults.bases["tiny"]
    export.merge(tiny, folder / "adapter", "float32", folder / "merged")
    for quant in ("F16", "Q4_K_M"):
        f16 = None if quant == "F16" else folder / "F16"
        export.export(folder / "merged", f16, quant, folder / quant, base, "Madison", defaults.export, defaults.generation)
    yield folder


def test_merged_and_adapter_give_the_same_logits(tiny: Path, models: Path) -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(str(tiny), dtype=torch.float32)
    plain = base(torch.arange(40)[None]).logits
    adapted = PeftModel.from_pretrained(base, str(models / "adapter"))(torch.arange(40)[None]).logits
    merged = AutoModelForCausalLM.from_pretrained(str(models / "merged"))(torch.arange(40)[None]).logits
    assert torch.allclose(adapted, merged, atol=1e-4)
    assert not torch.allclose(plain, merged, atol=1e-2)


def test_the_tokenizer_is_copied_byte_for_byte(tiny: Path, models: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        assert files.sha256(models / "merged" / name) == files.sha256(tiny / name)


@pytest.mark.parametrize("quant", ["F16", "Q4_K_M"])
def test_the_name_follows_the_convention_and_the_metadata_agrees(models: Path, quant: str) -> None:
    from gguf import GGUFReader

    path = export.one_gguf(models / quant)
    parts = SPEC.match(path.name)
    assert parts
    assert parts.groupdict() == {
        "base": "Tiny", "size": "13M", "finetune": "Madison", "version": "v1.0", "encoding": quant
    }  # fmt: skip
    fields = GGUFReader(path).fields
    for key, value in (("basename", "Tiny"), ("size_label", "13M"), ("finetune", "Madison"), ("version", "v1.0")):
        assert fields[f"general.{key}"].contents() == value
    assert fields["tokenizer.ggml.pre"].contents() == "smollm"


def test_what_the_file_really_holds_is_written_beside_it(models: Path) -> None:
    held = files.read_json(models / "Q4_K_M/tensors.json")
    path = export.one_gguf(models / "Q4_K_M")
    assert held["sha256"] == files.sha256(path)
    assert held["types"]["Q4_K"] > held["types"]["Q6_K"] > 0
    assert held["bytes"] < files.read_json(models / "F16/tensors.json")["bytes"] / 2


def test_the_embedded_template_renders_the_ids_of_the_tokenizer(tiny: Path, models: Path) -> None:
    from llama_cpp import Llama
    from llama_cpp.llama_chat_format import Jinja2ChatFormatter

    model = Llama(str(export.one_gguf(models / "Q4_K_M")), n_ctx=256, verbose=False)
    template = model.metadata["tokenizer.chat_template"]
    formatter = Jinja2ChatFormatter(template, eos_token="<|im_end|>", bos_token="<|im_start|>")
    renderer = chat.Renderer(tiny, {})
    messages = chat.user("In 1787 \u2014 did you speak?")
    text = formatter(messages=messages).prompt
    ids = model.tokenize(text.encode(), add_bos=False, special=True)
    assert ids == renderer.prompt_ids(messages)
    answer = model.create_chat_completion(messages, max_tokens=4, seed=1)
    assert answer["usage"]["prompt_tokens"] == len(ids)
    model.close()


def test_llama_cpp_and_transformers_agree_on_the_most_likely_token(tiny: Path, models: Path, defaults: Params) -> None:
    greedy = defaults.generation.model_copy(update={"top_k": 1})
    prompts = [{"id": f"p{n}", "prompt": f"Question {n} of the census?"} for n in range(6)]
    replies = {}
    for name in ("merged", "F16"):
        engine = engines.build(models / name, None)
        records = engines.respond(engine, chat.Renderer(tiny, {}), prompts, name, 1, 1, 1, greedy)
        replies[name] = [r["response"] for r in records]
    assert sum(a == b for a, b in zip(replies["merged"], replies["F16"], strict=True)) >= 5


def test_the_modelfile_writes_what_the_template_writes(tiny: Path, models: Path) -> None:
    text = (models / "Q4_K_M/Modelfile").read_text()
    assert text.startswith("FROM ./Tiny-13M-Madison-v1.0-Q4_K_M.gguf\n")
    system = re.search(r'SYSTEM """(.*?)"""', text)
    template = re.search(r'TEMPLATE """(.*?)"""', text, re.DOTALL)
    assert system
    assert template
    # The Go template's loop, unrolled by hand for a system and a user message.
    body = template[1].removeprefix("{{- range .Messages }}")
    item, _, tail = body.partition("{{ end }}")
    messages = [("system", system[1]), ("user", "Who are you?")]
    rendered = "".join(item.replace("{{ .Role }}", r).replace("{{ .Content }}", c) for r, c in messages) + tail
    assert rendered == chat.Renderer(tiny, {}).prompt_text(chat.user("Who are you?"))
    assert 'PARAMETER stop "<|im_end|>"' in text


def test_a_disk_too_full_for_the_merge_is_one_line_and_leaves_the_old_model(
    tiny: Path, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    (tmp_path / "merged").mkdir()
    (tmp_path / "merged/kept").write_text("old")
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 10**9, 10**6))
        with pytest.raises(FoundryError, match=r"needs \d+ MB of disk, 1 MB are free"):
            export.merge(tiny, models / "adapter", "float32", tmp_path / "merged")
    assert (tmp_path / "merged/kept").read_text() == "old"


def test_a_write_cut_off_in_the_middle_of_the_merge_is_one_line_and_leaves_the_old_model(
    tiny: Path, models: Path, tmp_path: Path
) -> None:
    import subprocess
    import sys

    from tests.conftest import ROOT

    (tmp_path / "merged").mkdir()
    (tmp_path / "merged/kept").write_text("old")
    # A real refusal of the kernel: files may not grow past 4 MB in the child.
    code = (
        "import resource, signal, sys; from pathlib import Path; from stages.foundry import export, stage\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (4 << 20, 4 << 20))\n"
        f"stage.run(lambda: export.merge(Path({str(tiny)!r}), Path({str(models / 'adapter')!r}), 'float32', Path('merged')))"
    )
    env = {"PYTHONPATH": str(ROOT), "FOUNDRY_STATE": str(tmp_path / "state"), "PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert "disk is full" in done.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["merged", "state"]
    assert (tmp_path / "merged/kept").read_text() == "old"


def test_a_truncated_gguf_is_one_line(tiny: Path, models: Path, tmp_path: Path, defaults: Params) -> None:
    whole = export.one_gguf(models / "Q4_K_M").read_bytes()
    (tmp_path / "cut.gguf").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FoundryError, match=r"cut\.gguf: llama\.cpp cannot load it"):
        engines.build(tmp_path, None).generate([[1, 2]], [1], 2, defaults.generation, print)


def test_a_quantisation_that_fails_leaves_no_file(tmp_path: Path) -> None:
    (tmp_path / "broken.gguf").write_bytes(b"GGUF" + b"\0" * 64)
    with pytest.raises(FoundryError, match="could not quantise"):
        export.quantise(tmp_path / "broken.gguf", tmp_path / "out.gguf", "Q8_0")
    assert not (tmp_path / "out.gguf").exists()


def test_the_gemma_modelfile_stops_at_the_end_of_the_turn(tiny: Path, defaults: Params) -> None:
    text = export.modelfile("x.gguf", defaults.bases["gemma-3-27b-it"], tiny, defaults.generation)
    assert f"PARAMETER stop {json.dumps('<end_of_turn>')}" in text
