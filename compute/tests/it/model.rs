//! Opening a model folder: what is known, and every way it can be wrong.

use std::fs;
use std::path::Path;

use compute::{Error, Model};
use proptest::prelude::*;

use crate::support::{Tiny, embed, real, real_folder, rows};

const QUERY: &str = "encoder.layer.0.attention.self.query.weight";

fn weights_error(tiny: &Tiny) -> (String, String) {
    match tiny.open() {
        Err(Error::Weights { tensor, reason }) => (tensor, reason),
        other => panic!("{other:?}"),
    }
}

fn file_error(folder: &Path) -> String {
    match Model::open(folder) {
        Err(error @ Error::ModelFile { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

fn tokenizer_error(tiny: &Tiny) -> String {
    match tiny.open() {
        Err(Error::Tokenizer { reason }) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn real_model_is_known_by_its_digest() {
    let model = real();
    assert_eq!((model.name(), model.is_known(), model.dimension()), ("all-MiniLM-L6-v2", true, 384));
}

#[test]
fn real_model_without_its_config_is_the_same_model() {
    let folder = tempfile::tempdir().unwrap();
    for file in ["model.safetensors", "tokenizer.json"] {
        std::os::unix::fs::symlink(real_folder().join(file), folder.path().join(file)).unwrap();
    }
    let model = Model::open(folder.path()).unwrap();
    assert_eq!((model.digest(), model.architecture()), (real().digest(), real().architecture()));
}

#[test]
fn unknown_model_takes_the_folders_name() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("my-encoder");
    fs::rename(Tiny::new().write().keep(), &folder).unwrap();
    let model = Model::open(&folder).unwrap();
    assert_eq!((model.name(), model.is_known(), model.dimension()), ("my-encoder", false, 8));
}

#[test]
fn digest_covers_weights_tokenizer_and_architecture() {
    let digest = Tiny::new().open().unwrap().digest();
    assert_eq!(Tiny::new().open().unwrap().digest(), digest);
    let mut weights = Tiny::new();
    weights.set("embeddings.LayerNorm.bias", &[8], &[0.5; 8]);
    let mut tokenizer = Tiny::new();
    tokenizer.tokenizer["normalizer"]["lowercase"] = false.into();
    let mut heads = Tiny::new();
    heads.config.as_mut().unwrap()["num_attention_heads"] = 4.into();
    for changed in [weights, tokenizer, heads] {
        assert_ne!(changed.open().unwrap().digest(), digest);
    }
}

#[test]
fn tensor_names_may_begin_with_bert() {
    let mut tiny = Tiny::new();
    tiny.tensors = tiny.tensors.into_iter().map(|(name, tensor)| (format!("bert.{name}"), tensor)).collect();
    tiny.open().unwrap();
}

#[test]
fn missing_tensor_is_named() {
    for name in Tiny::new().tensors.into_keys() {
        let mut tiny = Tiny::new();
        tiny.tensors.remove(&name);
        assert_eq!(weights_error(&tiny), (name, "is missing".to_owned()));
    }
}

#[test]
fn tensor_of_a_wrong_shape_is_named() {
    let mut tiny = Tiny::new();
    tiny.add(QUERY, &[8, 7]);
    let (tensor, reason) = weights_error(&tiny);
    assert_eq!(tensor, QUERY);
    assert!(reason.contains("[8, 7]") && reason.contains("[8, 8]"), "{reason}");
}

#[test]
fn tensor_of_another_type_is_named() {
    let mut tiny = Tiny::new();
    tiny.tensors.insert(QUERY.to_owned(), (safetensors::Dtype::F16, vec![8, 8], vec![0; 128]));
    let (tensor, reason) = weights_error(&tiny);
    assert!(tensor == QUERY && reason.contains("F16"), "{reason}");
}

#[test]
fn weight_that_is_not_a_number_is_named_when_it_is_used() {
    let mut tiny = Tiny::new();
    tiny.set("embeddings.LayerNorm.bias", &[8], &[f32::NAN; 8]);
    let (_folder, model, device) = tiny.ready();
    match embed(&model, &device, 1, &rows(["a"])) {
        Err(Error::Weights { tensor, .. }) => assert_eq!(tensor, "embeddings.LayerNorm.bias"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn weights_changed_after_opening_are_refused() {
    let ((folder, model, device), mut other) = (Tiny::new().ready(), Tiny::new());
    other.set("embeddings.LayerNorm.bias", &[8], &[0.5; 8]);
    fs::write(folder.path().join("model.safetensors"), other.weights()).unwrap();
    match embed(&model, &device, 1, &rows(["a"])) {
        Err(Error::ModelFile { reason, .. }) => assert!(reason.contains("changed"), "{reason}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn word_changed_while_the_model_is_in_use_fails_the_texts_that_have_it() {
    let (folder, model, device) = Tiny::new().ready();
    embed(&model, &device, 1, &rows(["a b"])).unwrap();
    let path = folder.path().join("model.safetensors");
    let mut file = fs::read(&path).unwrap();
    let (info, data) = (safetensors::SafeTensors::read_metadata(&file).unwrap(), file.len());
    let words = info.1.info("embeddings.word_embeddings.weight").unwrap().data_offsets;
    // One bit of the word `b`, id 5, in place: the open file is the one that changes.
    let start = data - info.1.data_len() + words.0;
    file[start + 5 * 8 * 4] ^= 1;
    fs::write(&path, &file).unwrap();
    embed(&model, &device, 1, &rows(["a"])).unwrap();
    match embed(&model, &device, 1, &rows(["a", "b"])) {
        Err(Error::ModelFile { reason, .. }) => assert!(reason.contains("changed"), "{reason}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn weights_cut_short_are_refused_at_every_length() {
    let folder = Tiny::new().write();
    let weights = Tiny::new().weights();
    for length in [0, 1, 7, 8, 9, 100, weights.len() / 2, weights.len() - 1] {
        fs::write(folder.path().join("model.safetensors"), &weights[..length]).unwrap();
        assert!(file_error(folder.path()).contains("model.safetensors"));
    }
}

#[test]
fn weights_with_bytes_appended_are_refused() {
    let folder = Tiny::new().write();
    let mut weights = Tiny::new().weights();
    weights.push(0);
    fs::write(folder.path().join("model.safetensors"), weights).unwrap();
    assert!(file_error(folder.path()).contains("its header says"));
}

#[test]
fn weights_of_another_format_are_named_by_content() {
    let folder = Tiny::new().write();
    for (start, format) in [
        (&b"PK\x03\x04\x00\x00\x08\x08"[..], "zip"),
        (&b"\x80\x02}q\x00(X\x01"[..], "pickle"),
        (&b"GGUF\x03\x00\x00\x00"[..], "GGUF"),
        (&b"\x08\x08\x12\x07pytorch"[..], "ONNX"),
    ] {
        fs::write(folder.path().join("model.safetensors"), [start, &[0; 64]].concat()).unwrap();
        let message = file_error(folder.path());
        assert!(message.contains(format), "{message}");
    }
}

#[test]
fn folder_with_only_other_formats_is_refused_by_name() {
    for (name, format) in
        [("pytorch_model.bin", "pickle"), ("model.gguf", "GGUF"), ("model.onnx", "ONNX"), ("m.pt", "pickle")]
    {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(name), b"x").unwrap();
        let message = file_error(folder.path());
        assert!(message.contains(name) && message.contains(format), "{message}");
        assert!(file_error(&folder.path().join(name)).contains(format));
    }
}

#[test]
fn weights_too_large_are_refused_before_they_are_read() {
    let folder = Tiny::new().write();
    let file = fs::File::create(folder.path().join("model.safetensors")).unwrap();
    file.set_len((2 << 30) + 1).unwrap();
    assert!(file_error(folder.path()).contains("at most 2147483648"));
}

#[test]
fn header_that_claims_more_than_the_file_has_is_refused() {
    let folder = Tiny::new().write();
    let mut weights = Tiny::new().weights();
    weights[..8].copy_from_slice(&(u64::MAX - 8).to_le_bytes());
    fs::write(folder.path().join("model.safetensors"), weights).unwrap();
    assert!(file_error(folder.path()).contains("a header of"));
}

#[test]
fn missing_files_are_named() {
    let folder = Tiny::new().write();
    fs::remove_file(folder.path().join("tokenizer.json")).unwrap();
    assert!(file_error(folder.path()).contains("tokenizer.json: is missing"));
    fs::remove_file(folder.path().join("model.safetensors")).unwrap();
    assert!(file_error(folder.path()).contains("model.safetensors: is missing"));
    assert!(file_error(&folder.path().join("nowhere")).contains("cannot be read"));
}

#[test]
fn tokenizer_cut_short_is_refused() {
    let folder = Tiny::new().write();
    let path = folder.path().join("tokenizer.json");
    let whole = fs::read(&path).unwrap();
    for length in [0, 1, whole.len() / 2, whole.len() - 1] {
        fs::write(&path, &whole[..length]).unwrap();
        assert!(matches!(Model::open(folder.path()), Err(Error::Tokenizer { .. })));
    }
}

#[test]
fn tokenizer_with_words_the_model_lacks_is_refused() {
    let mut tiny = Tiny::new();
    tiny.tokenizer["model"]["vocab"]["f"] = 12.into();
    let reason = tokenizer_error(&tiny);
    assert!(reason.contains("token 12") && reason.contains("12 word embeddings"), "{reason}");
}

#[test]
fn tokenizer_that_gives_nothing_for_an_empty_text_is_refused() {
    let mut tiny = Tiny::new();
    tiny.tokenizer["post_processor"] = serde_json::Value::Null;
    assert!(tokenizer_error(&tiny).contains("no token for an empty text"));
}

#[test]
fn config_of_another_kind_of_model_is_refused() {
    for (field, value) in [("model_type", "gpt2"), ("hidden_act", "relu"), ("position_embedding_type", "relative_key")]
    {
        let mut tiny = Tiny::new();
        tiny.config.as_mut().unwrap()[field] = value.into();
        let message = file_error(tiny.write().path());
        assert!(message.contains("config.json") && message.contains(value), "{message}");
    }
}

#[test]
fn config_out_of_bounds_is_refused() {
    for (field, value) in [("num_attention_heads", 3), ("num_attention_heads", 0), ("num_hidden_layers", 1_000_000)] {
        let mut tiny = Tiny::new();
        tiny.config.as_mut().unwrap()[field] = value.into();
        assert!(file_error(tiny.write().path()).contains("config.json"));
    }
}

#[test]
fn folder_without_a_config_needs_a_size_that_is_known() {
    let mut unknown = Tiny::new();
    unknown.config = None;
    assert!(file_error(unknown.write().path()).contains("config.json"));
    let (stated, mut inferred) = (Tiny::sized(128), Tiny::sized(128));
    inferred.config = None;
    assert_eq!(stated.open().unwrap().digest(), inferred.open().unwrap().digest());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn weights_with_changed_header_bytes_never_panic(changes in proptest::collection::vec((0usize..2_000, any::<u8>()), 1..4)) {
        let folder = Tiny::new().write();
        let mut weights = Tiny::new().weights();
        for (at, byte) in changes {
            weights[at] = byte;
        }
        fs::write(folder.path().join("model.safetensors"), weights).unwrap();
        match Model::open(folder.path()) {
            Ok(_) | Err(Error::ModelFile { .. } | Error::Weights { .. }) => {}
            Err(other) => panic!("{other}"),
        }
    }
}
