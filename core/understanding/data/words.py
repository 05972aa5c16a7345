"""Makes words.en.bin: vectors of the words of a sentence model.

    python words.py MODEL_DIR words.en.bin

MODEL_DIR holds all-MiniLM-L6-v2 (Apache-2.0) in the Hugging Face layout. Needs torch,
transformers and numpy. Every word and word piece of Latin letters is read by the model alone and
pooled; the 20,000 most frequent keep the 128 directions that tell most, weighed by the logarithm
of their rank, in 8 bits with a scale each. The table is: three little-endian 32-bit numbers (how
many, how wide, bytes of names), the names in order of their bytes parted by line feeds, a 32-bit
float of scale each, and the numbers.
"""

import json
import struct
import sys

import numpy as np
import torch
from transformers import AutoModel

FIRST_WORD = 1996  # the vocabulary is in order of frequency from here on
CLS, SEP = 101, 102
WIDTH, COUNT, BATCH = 128, 20_000, 512


def main(folder: str, out: str) -> None:
    model = AutoModel.from_pretrained(folder).eval()
    with open(f"{folder}/tokenizer.json", encoding="utf-8") as file:
        places = json.load(file)["model"]["vocab"]
    names = sorted(places, key=places.get)
    kept = [
        i
        for i, name in enumerate(names)
        if name.isascii() and not name.startswith("[") and name.replace("##", "").isalpha()
    ]
    parts = []
    with torch.inference_mode():
        for start in range(0, len(kept), BATCH):
            ids = torch.tensor([[CLS, i, SEP] for i in kept[start : start + BATCH]])
            hidden = model(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
            parts.append(hidden.mean(1).numpy())
    vectors = np.concatenate(parts)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors -= vectors.mean(0)
    _, _, directions = np.linalg.svd(vectors, full_matrices=False)
    rank = np.log([1 + max(1, i - FIRST_WORD + 1) for i in kept])
    vectors = (vectors @ directions[:WIDTH].T * rank[:, None])[:COUNT].astype(np.float32)
    scales = np.abs(vectors).max(1) / 127
    numbers = np.round(vectors / scales[:, None]).astype(np.int8)
    words = [names[i] for i in kept[:COUNT]]
    order = sorted(range(len(words)), key=lambda i: words[i].encode())
    text = "\n".join(words[i] for i in order).encode()
    with open(out, "wb") as file:
        file.write(struct.pack("<III", len(words), WIDTH, len(text)))
        file.write(text)
        file.write(scales[order].astype("<f4").tobytes())
        file.write(numbers[order].tobytes())


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
