//! Log lines of the whole process, captured.

use std::io::{self, Write};
use std::sync::{Mutex, OnceLock, PoisonError};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// The most of the log that is kept; what comes after is dropped.
const CAPTURED_MAX_BYTES: usize = 64 * 1024 * 1024;

static CAPTURED: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// Begins to capture, once for the process. Everything of ours is written, and the HTTP and SQL libraries from `debug` on.
pub(crate) fn capture() {
    static BEGUN: OnceLock<()> = OnceLock::new();
    BEGUN.get_or_init(|| {
        let filter = EnvFilter::new(
            "debug,quartermaster_api=trace,quartermaster_gateway=trace,quartermaster_engine=trace,quartermaster_egress=trace,\
             quartermaster_store=trace,quartermaster_store_sqlite=trace,quartermaster_store_postgres=trace,quartermaster_vault=trace",
        );
        let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(Capture).finish();
        // Another subscriber may be there already, when a test has set its own: then its lines are its own matter.
        let _ = tracing::subscriber::set_global_default(subscriber);
    });
}

/// The log of this process so far.
pub fn captured_logs() -> String {
    String::from_utf8_lossy(&CAPTURED.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
}

#[derive(Clone, Copy)]
struct Capture;

impl Write for Capture {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut captured = CAPTURED.lock().unwrap_or_else(PoisonError::into_inner);
        if captured.len() < CAPTURED_MAX_BYTES {
            captured.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Capture {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        *self
    }
}
