"""Chat room: the one renderer. Every engine, and the trainer, gets its token ids from here."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from stages.foundry.stage import FoundryError

Message = dict[str, str]


class Renderer:
    """Render messages with the chat template of the base model in ``folder``.

    ``options`` go to the template (``enable_thinking: false`` for Qwen3).
    """

    def __init__(self, folder: Path, options: dict[str, Any]) -> None:
        from transformers import AutoTokenizer

        if not (folder / "tokenizer.json").is_file():
            raise FoundryError(f"{folder}: holds no tokenizer.json")
        self.tokenizer = AutoTokenizer.from_pretrained(str(folder))
        self.options = options
        if not self.tokenizer.chat_template:
            raise FoundryError(f"{folder}: its tokenizer has no chat template")
        self.eos_id: int = self.tokenizer.eos_token_id

    def prompt_text(self, messages: list[Message]) -> str:
        """The prompt up to and with the opening of the assistant's turn."""
        text = self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True, **self.options)
        return str(text)

    def completion_text(self, messages: list[Message], completion: list[Message]) -> str:
        """The completion as the template writes it after `prompt_text`, up to and with the end-of-turn token."""
        whole = self.tokenizer.apply_chat_template(messages + completion, tokenize=False, **self.options)
        prompt = self.prompt_text(messages)
        answer = whole[len(prompt) :] if whole.startswith(prompt) else completion[0]["content"]
        end = self.tokenizer.eos_token
        # SmolLM2's template writes a newline after <|im_end|>: the model must stop at the end of the turn instead.
        return answer[: answer.rindex(end) + len(end)] if end in answer else answer + end

    def ids(self, text: str) -> list[int]:
        """Token ids of rendered text; nothing is added, the template has already written every special token."""
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def prompt_ids(self, messages: list[Message]) -> list[int]:
        return self.ids(self.prompt_text(messages))

    def text(self, ids: list[int]) -> str:
        """Plain text of generated ids: special tokens and a ``<think>`` block are left out."""
        text = self.tokenizer.decode(ids, skip_special_tokens=True)
        return re.sub(r"<think>.*?(</think>|$)", "", text, flags=re.DOTALL).strip()


def user(prompt: str) -> list[Message]:
    return [{"role": "user", "content": prompt}]


def assistant(response: str) -> list[Message]:
    return [{"role": "assistant", "content": response}]
