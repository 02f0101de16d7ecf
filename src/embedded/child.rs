//! Child servers that never outlive us.

use std::os::unix::process::CommandExt;
use std::process::Command;

/// Has the kernel stop the child when the thread that starts it ends, even by a kill -9.
pub(crate) fn dies_with_us(command: &mut Command) {
    #[expect(
        unsafe_code,
        reason = "prctl between fork and exec is async-signal-safe; without it a kill -9 of us leaves the server running"
    )]
    // SAFETY: the closure calls only prctl, which is async-signal-safe, and allocates nothing.
    unsafe {
        command.pre_exec(|| {
            if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGINT) == 0 {
                Ok(())
            } else {
                Err(std::io::Error::last_os_error())
            }
        });
    }
}
