// What must hold for any bytes that a photo's URL may lead to.

pub(crate) fn check(bytes: &[u8]) {
    match photos::fingerprint(bytes, photos::Limits::DEFAULT) {
        Ok(print) => {
            let again =
                photos::fingerprint(bytes, photos::Limits::DEFAULT).expect("the same bytes");
            assert_eq!(print, again, "the same bytes have the same fingerprint");
        }
        Err(problem) => assert!(!problem.to_string().is_empty()),
    }
}
