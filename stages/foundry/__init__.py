"""The rooms below the stages. A room imports from the rooms named before it here, never from those after it:

stage, files, params, sources, base, chat, voice, prompts, teachers, engines, pairs, stats,
training, export, judges, scoring, report
"""
