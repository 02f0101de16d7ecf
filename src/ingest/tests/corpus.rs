//! The fuzzer's corpus, on a stable toolchain: every file that once was interesting.

#[path = "../../../fuzz/checks/read_file.rs"]
mod read_file;

#[test]
fn every_file_of_the_corpus_is_read_or_refused() {
    let folder = "../../fuzz/corpus/read_file";
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        read_file::check(&std::fs::read(entry.unwrap().path()).unwrap());
        seen += 1;
    }
    assert!(seen >= 18, "{seen} files");
}
