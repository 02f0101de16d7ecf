//! The fuzzer's corpus, on a stable toolchain: every photo that once was interesting.

#[path = "../../../fuzz/checks/decode_photo.rs"]
mod decode_photo;

#[test]
fn every_photo_of_the_corpus_is_fingerprinted_or_refused() {
    let folder = "../../fuzz/corpus/decode_photo";
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        decode_photo::check(&std::fs::read(entry.unwrap().path()).unwrap());
        seen += 1;
    }
    assert!(seen >= 10, "{seen} photos");
}
