//! The committed OpenAPI documents are those of the code.

use std::process::Command;

#[test]
fn the_openapi_documents_are_current() {
    let output = Command::new(env!("CARGO_BIN_EXE_forecourt"))
        .args(["openapi", "--check"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}run `make openapi`");
    assert_eq!(text.matches("is current").count(), 2);
}
