"""Answer the evaluation set through one serving path."""

from pathlib import Path

from stages.foundry import chat, engines, files, params, prompts, stage

WEIGHTS = {"base": "models/base", "adapter": "models/base", "merged": "models/merged"}


def main() -> None:
    path = stage.arguments(__doc__, path=params.PATHS).path
    p = params.load()
    responses = engines.respond(
        engines.build(Path(WEIGHTS.get(path, f"models/gguf/{path}")), Path("models/adapter") if path == "adapter" else None),
        chat.Renderer(Path("models/base"), p.chosen_base.template_options),
        prompts.read(Path("data/eval/standard.jsonl")),
        path=path,
        seed=p.seed,
        samples=p.samples,
        max_new_tokens=p.new_tokens,
        sampling=p.generation,
    )
    files.write_jsonl(Path(f"data/responses/{path}.jsonl"), responses)


if __name__ == "__main__":
    stage.run(main)
