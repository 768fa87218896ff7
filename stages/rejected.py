"""Generate a round's rejected replies with an untuned or half-tuned student."""

from pathlib import Path

from stages.foundry import chat, engines, files, params, prompts, stage


def main() -> None:
    args = stage.arguments(__doc__, round=(*params.ROUNDS, "heldout"), student=("base", "v3b"))
    p = params.load()
    source = Path("data/eval/heldout.jsonl" if args.round == "heldout" else f"data/prompts/{args.round}.jsonl")
    weights = Path("models/base" if args.student == "base" else f"models/students/{args.student}/Q4_K_M")
    replies = engines.respond(
        engines.build(weights, None),
        chat.Renderer(Path("models/base"), p.chosen_base.template_options),
        prompts.read(source),
        path=args.student,
        seed=p.seed,
        samples=1,
        max_new_tokens=p.new_tokens,
        sampling=p.generation,
    )
    files.write_jsonl(Path(f"data/rejected/{args.round}/{args.student}.jsonl"), replies)


if __name__ == "__main__":
    stage.run(main)
