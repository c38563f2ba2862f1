"""Writes reference.json: vectors of a fixed set of texts by sentence-transformers, the implementation users compare with.

Run once, in a virtual environment with sentence-transformers from PyPI, against the same model folder:

    python reference.py MODEL_FOLDER > reference.json
"""

import json
import sys

import sentence_transformers
import torch
import transformers
from sentence_transformers import SentenceTransformer, models

TEXTS = [
    "",
    "The almond trees are in bloom.",
    "Le vent d'été souffle à travers les oliviers ; ça sent déjà la pluie, n'est-ce pas ?",
    "Ship it 🚀🚀 — see you at 18:30, bring 3.5 kg of apples & the USB-C cable!!",
    "fn main() {\n    let total: u64 = (0..10).map(|n| n * n).sum();\n    println!(\"{total}\");\n}",
    "東京で会いましょう。Привет, как дела? مرحبا بالعالم",
    "  \t\n  ",
    "I hereby give notice that the meeting of the committee, which was to be held on the first Monday of the month, has "
    "been put off until the third; members who have travelled far are asked to send their expenses to the treasurer.",
    " ".join(f"On day {n} of the journey we walked {n * 3} miles, slept badly, and wrote to nobody." for n in range(1, 41)),
    "antidisestablishmentarianism " + "a" * 150 + " supercalifragilisticexpialidocious",
]


def main() -> None:
    folder = sys.argv[1]
    encoder = models.Transformer(folder, max_seq_length=256)
    pooling = models.Pooling(encoder.get_word_embedding_dimension(), pooling_mode="mean")
    model = SentenceTransformer(modules=[encoder, pooling, models.Normalize()], device="cpu")
    # One at a time, so that no padding is involved.
    rows = [model.encode([text], batch_size=1)[0] for text in TEXTS]
    tokens = [len(model.tokenizer(text, truncation=True, max_length=256)["input_ids"]) for text in TEXTS]
    print(
        json.dumps(
            {
                "made_with": f"sentence-transformers {sentence_transformers.__version__}, transformers "
                f"{transformers.__version__}, torch {torch.__version__}, CPU, float32; see reference.py",
                "cases": [
                    {"text": text, "tokens": count, "vector": [float(f"{value:.9g}") for value in row.tolist()]}
                    for text, count, row in zip(TEXTS, tokens, rows)
                ],
            },
            ensure_ascii=False,
        ).replace('{"text"', '\n{"text"')
    )


main()
