//! Running other programs for one testbed.
//!
//! Every program started here carries the testbed's marker, so that `down` ends it if its parent was killed. Holds no
//! knowledge of what is run; called by every module that changes the machine.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// The environment variable that marks a process as part of a testbed; its value is the state directory.
pub(crate) const MARKER: &str = "REFLOAT_TESTBED";
/// Which place a process belongs to.
pub(crate) const MARKER_PLACE: &str = "REFLOAT_TESTBED_PLACE";
/// Which unit of the supervisor a process is.
pub(crate) const MARKER_UNIT: &str = "REFLOAT_TESTBED_UNIT";

/// The search path of everything we start: a user's own may lack the administrator's directories.
pub(crate) const SEARCH_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How long a kubectl is run again while its connection to the API server does not come about.
const SENT_LIMIT: Duration = Duration::from_mins(2);

/// A way to run programs that carry the marker of one testbed.
#[derive(Debug, Clone)]
pub(crate) struct Commands {
    state: PathBuf,
}

impl Commands {
    /// Commands for the testbed with this state directory.
    pub(crate) fn new(state: &Path) -> Self {
        Self {
            state: state.to_owned(),
        }
    }

    /// A command with the marker, ready to be changed further.
    pub(crate) fn command<P: AsRef<OsStr>>(&self, program: P) -> Command {
        let mut command = Command::new(program);
        command
            .env(MARKER, &self.state)
            .env("PATH", SEARCH_PATH)
            .stdin(Stdio::null());
        command
    }

    /// A command inside a network namespace.
    ///
    /// Not by `ip netns exec`, which would also make a new mount namespace.
    pub(crate) fn command_in<P: AsRef<OsStr>>(&self, namespace: &Path, program: P) -> Command {
        let mut command = self.command("nsenter");
        command.arg(net_argument(namespace)).arg("--").arg(program);
        command
    }

    /// Run a program to its end and take what it printed.
    pub(crate) fn run<A: AsRef<OsStr>>(
        &self,
        program: impl AsRef<OsStr>,
        arguments: &[A],
    ) -> Result<String> {
        let mut command = self.command(program);
        command.args(arguments);
        output(command)
    }

    /// Run a program inside a network namespace.
    pub(crate) fn run_in<A: AsRef<OsStr>>(
        &self,
        namespace: &Path,
        program: impl AsRef<OsStr>,
        arguments: &[A],
    ) -> Result<String> {
        let mut command = self.command_in(namespace, program);
        command.args(arguments);
        output(command)
    }
}

/// The argument by which `nsenter` and `unshare` name a network namespace.
pub(crate) fn net_argument(namespace: &Path) -> String {
    format!("--net={}", namespace.display())
}

/// Run a command to its end; its error output becomes part of the error. A kubectl that could send nothing is run again.
pub(crate) fn output(mut command: Command) -> Result<String> {
    let words = words(&command);
    let is_kubectl = Path::new(command.get_program()).ends_with("kubectl");
    let begun = Instant::now();
    loop {
        let result = command
            .output()
            .with_context(|| format!("cannot start `{words}`"))?;
        if result.status.success() {
            return Ok(String::from_utf8_lossy(&result.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&result.stderr);
        if !(is_kubectl && is_not_sent(&said, begun)) {
            bail!("`{words}` failed ({}): {}", result.status, said.trim());
        }
        thread::sleep(Duration::from_secs(1));
    }
}

/// Whether a kubectl that ended so is to be run again: it says that its connection did not come about, so nothing was sent.
pub(crate) fn is_not_sent(said: &str, begun: Instant) -> bool {
    said.contains("TLS handshake timeout") && begun.elapsed() < SENT_LIMIT
}

fn words(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(OsStr::to_string_lossy)
        .collect::<Vec<_>>()
        .join(" ")
}
