// What must hold for any bytes that a photo's URL may lead to.

pub(crate) fn check(bytes: &[u8]) {
    use photos::{Limits, fingerprint};
    // As it is done, and small photos too as only large ones are.
    let at_an_eighth = Limits {
        side_of_an_eighth: 1,
        ..Limits::DEFAULT
    };
    for limits in [Limits::DEFAULT, at_an_eighth] {
        match fingerprint(bytes, limits) {
            Ok(print) => {
                let again = fingerprint(bytes, limits).expect("the same bytes");
                assert_eq!(print, again, "the same bytes have the same fingerprint");
            }
            Err(problem) => assert!(!problem.to_string().is_empty()),
        }
    }
}
