"""Have the teacher answer a round's prompts, and audit the answers before anything is generated against them."""

from pathlib import Path

from stages.foundry import files, pairs, params, prompts, stage, teachers


def main() -> None:
    name = stage.arguments(__doc__, round=params.ROUNDS).round
    p = params.load()
    asked = prompts.read(Path(f"data/prompts/{name}.jsonl"))
    teacher = teachers.build(p.teacher, name)
    answers = teacher.answer(asked)
    evaluation = prompts.read(Path("data/eval/standard.jsonl")) + prompts.read(Path("data/eval/heldout.jsonl"))
    audited = pairs.audit(pairs.chosen_records(asked, answers, teacher.name), evaluation, p.filters)
    dropped = [r for r in audited if r["violations"]]
    for record in dropped:
        print(f"{record['id']}: dropped: {'; '.join(record['violations'])}")
    wanted = prompts.at_scale(p.rounds[name].kept, p.scale)
    pairs.check_enough(len(audited) - len(dropped), wanted, dropped, f"round {name}")
    files.write_jsonl(Path(f"data/chosen/{name}.jsonl"), audited)


if __name__ == "__main__":
    stage.run(main)
