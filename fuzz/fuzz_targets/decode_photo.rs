#![no_main]

#[path = "../checks/decode_photo.rs"]
mod decode_photo;

libfuzzer_sys::fuzz_target!(|input: &[u8]| decode_photo::check(input));
