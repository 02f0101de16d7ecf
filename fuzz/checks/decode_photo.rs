// What must hold for any bytes that a photo's URL may lead to.

pub(crate) fn check(bytes: &[u8]) {
    use photos::{Limits, fingerprint};
    // As it is done, and small photos too as only large ones are; what is far larger only takes the fuzzer's time.
    let whole = Limits {
        pixels: 4_000_000,
        ..Limits::DEFAULT
    };
    let at_an_eighth = Limits {
        side_of_an_eighth: 1,
        ..whole
    };
    for limits in [whole, at_an_eighth] {
        match fingerprint(bytes, limits) {
            Ok(print) => {
                let again = fingerprint(bytes, limits).expect("the same bytes");
                assert_eq!(print, again, "the same bytes have the same fingerprint");
            }
            Err(problem) => assert!(!problem.to_string().is_empty()),
        }
    }
}
