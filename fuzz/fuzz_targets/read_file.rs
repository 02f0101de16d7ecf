#![no_main]

#[path = "../checks/read_file.rs"]
mod read_file;

libfuzzer_sys::fuzz_target!(|input: &[u8]| read_file::check(input));
