//! Held sessions: commands in containers whose input stays open, each on a task of its own.
//!
//! A session sends its heartbeats by itself and closes itself at its limit, so that an engine that is slow or stuck can
//! neither lose a hold nor keep one. Dropping [`HeldSessions`] ends every session's input.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use kube::Client;
use kube::api::AttachedProcess;
use refloat_core::capture::{Beat, Ending, SessionEvent, SessionOrder, Until};
use refloat_core::driver::{Class, ExecRequest, Problem};
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};

use crate::exec;

/// A line longer than this ends the session: nothing that is asked for answers so much.
const LINE_BYTES_MAX: u64 = 1024 * 1024;
/// How long a session whose input was ended may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(5);

enum Order {
    Say(String, Until),
    Close,
}

/// Sessions by name, and what they say.
pub(crate) struct HeldSessions {
    client: Client,
    orders: Mutex<BTreeMap<String, mpsc::UnboundedSender<Order>>>,
    sink: mpsc::UnboundedSender<(String, SessionEvent)>,
    events: tokio::sync::Mutex<mpsc::UnboundedReceiver<(String, SessionEvent)>>,
}

impl HeldSessions {
    pub(crate) fn new(client: Client) -> Self {
        let (sink, events) = mpsc::unbounded_channel();
        Self {
            client,
            orders: Mutex::new(BTreeMap::new()),
            sink,
            events: tokio::sync::Mutex::new(events),
        }
    }

    pub(crate) fn open(&self, name: &str, order: &SessionOrder) {
        let (say, orders) = mpsc::unbounded_channel();
        let mut all = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(name.to_owned(), say);
        let session = Session {
            name: name.to_owned(),
            order: order.clone(),
            orders,
            sink: self.sink.clone(),
        };
        tokio::spawn(session.run(self.client.clone()));
    }

    fn give(&self, name: &str, order: Order) {
        let all = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        let gone = all.get(name).is_none_or(|say| say.send(order).is_err());
        if gone {
            // Its end is already among the events.
            tracing::debug!(name, "nothing can be said to a session that has ended");
        }
    }

    pub(crate) fn send(&self, name: &str, text: &str, until: &Until) {
        self.give(name, Order::Say(text.to_owned(), until.clone()));
    }

    pub(crate) fn close(&self, name: &str) {
        self.give(name, Order::Close);
    }

    pub(crate) async fn next(&self, at_most: Duration) -> Option<(String, SessionEvent)> {
        let mut events = self.events.lock().await;
        tokio::time::timeout(at_most, events.recv())
            .await
            .ok()
            .flatten()
    }
}

struct Session {
    name: String,
    order: SessionOrder,
    orders: mpsc::UnboundedReceiver<Order>,
    sink: mpsc::UnboundedSender<(String, SessionEvent)>,
}

/// What a session waits for on its stream.
#[derive(Default)]
struct Awaited {
    /// The end of the answer to what the engine said.
    answer: Option<Until>,
    /// The answer to a heartbeat, and when it was sent.
    beat: Option<Instant>,
}

impl Session {
    fn tell(&self, event: SessionEvent) {
        let told = self.sink.send((self.name.clone(), event));
        if told.is_err() {
            tracing::debug!(name = self.name, "nobody listens to the session any more");
        }
    }

    async fn run(mut self, client: Client) {
        let request = ExecRequest {
            namespace: self.order.namespace.clone(),
            pod: self.order.pod.clone(),
            container: Some(self.order.container.clone()),
            command: self.order.command.clone(),
            input: String::new(),
            limit_seconds: self.order.seconds_max,
        };
        let ending = match exec::open_held(&client, &request).await {
            Ok(process) => {
                self.tell(SessionEvent::Opened);
                self.hold(process, &request).await
            }
            Err(problem) => Ending::Lost(problem),
        };
        self.tell(SessionEvent::Ended(ending));
    }

    async fn hold(&mut self, mut process: AttachedProcess, request: &ExecRequest) -> Ending {
        let status = process.take_status();
        let mut input = process.stdin();
        let mut output = lines(process.stdout());
        let mut errors = lines(process.stderr());
        let end = async {
            match status {
                Some(status) => status.await,
                None => None,
            }
        };
        tokio::pin!(end);
        let limit = Duration::from_secs(u64::from(self.order.seconds_max));
        let mut deadline = Instant::now() + limit;
        let mut beats = tokio::time::interval(self.beat_every());
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut awaited = Awaited::default();
        let mut said_goodbye = false;
        loop {
            let close = tokio::select! {
                biased;
                status = &mut end => {
                    self.rest(&mut output, &mut errors).await;
                    return ended(request, status.as_ref());
                }
                Some(line) = output.recv() => {
                    self.heard(line, &mut awaited);
                    false
                }
                Some(line) = errors.recv() => {
                    self.tell(SessionEvent::ErrorLine(line));
                    false
                }
                order = self.orders.recv() => match order {
                    Some(Order::Say(text, until)) => {
                        awaited.answer = Some(until);
                        !say(&mut input, &text).await
                    }
                    Some(Order::Close) | None => true,
                },
                _ = beats.tick() => match self.beat(&mut input, &mut awaited).await {
                    Ok(()) => false,
                    Err(ending) => return ending,
                },
                () = tokio::time::sleep_until(deadline) => {
                    if said_goodbye {
                        return lost("session-silent", "the command did not end when its input did");
                    }
                    true
                }
            };
            if close && !said_goodbye {
                said_goodbye = true;
                self.order.beat = None;
                deadline = Instant::now() + GOODBYE;
                if let Some(mut input) = input.take()
                    && input.shutdown().await.is_err()
                {
                    tracing::debug!(name = self.name, "the input was closed already");
                }
            }
            if said_goodbye && self.orders.is_closed() {
                // The engine is gone: the end of the input is all that is left to do.
                drop(process);
                return lost("session-dropped", "the engine let the session go");
            }
        }
    }

    fn beat_every(&self) -> Duration {
        let every = self.order.beat.as_ref().map(|beat| beat.every_milliseconds);
        Duration::from_millis(u64::from(every.unwrap_or(1000).max(50)))
    }

    /// A line is the heartbeat's, or the engine's.
    fn heard(&self, line: String, awaited: &mut Awaited) {
        let of_beat = self
            .order
            .beat
            .as_ref()
            .is_some_and(|beat| beat.until.is_met_by(&line));
        if of_beat && awaited.beat.is_some() {
            awaited.beat = None;
            return;
        }
        if awaited
            .answer
            .as_ref()
            .is_some_and(|until| until.is_met_by(&line))
        {
            awaited.answer = None;
        }
        self.tell(SessionEvent::Line(line));
    }

    /// Sends a heartbeat when nothing else is being answered; one that stays unanswered is the end.
    async fn beat<I: AsyncWrite + Unpin>(
        &self,
        input: &mut Option<I>,
        awaited: &mut Awaited,
    ) -> Result<(), Ending> {
        let Some(beat) = &self.order.beat else {
            return Ok(());
        };
        if let Some(sent) = awaited.beat {
            let late = Duration::from_millis(u64::from(beat.late_milliseconds));
            if sent.elapsed() > late && (beat.concurrent || awaited.answer.is_none()) {
                return Err(lost(
                    "session-unanswered",
                    &format!("no answer to a heartbeat in {} ms", late.as_millis()),
                ));
            }
            return Ok(());
        }
        if beat.concurrent || awaited.answer.is_none() {
            self.send_beat(beat, input, awaited).await?;
        }
        Ok(())
    }

    async fn send_beat<I: AsyncWrite + Unpin>(
        &self,
        beat: &Beat,
        input: &mut Option<I>,
        awaited: &mut Awaited,
    ) -> Result<(), Ending> {
        if say(input, &beat.text).await {
            awaited.beat = Some(Instant::now());
            Ok(())
        } else {
            Err(lost("session-broken", "the stream to the command broke"))
        }
    }

    /// What was said before the end but not yet read.
    async fn rest(&self, output: &mut mpsc::Receiver<String>, errors: &mut mpsc::Receiver<String>) {
        let patience = Duration::from_millis(200);
        while let Ok(Some(line)) = tokio::time::timeout(patience, output.recv()).await {
            self.tell(SessionEvent::Line(line));
        }
        while let Ok(Some(line)) = tokio::time::timeout(patience, errors.recv()).await {
            self.tell(SessionEvent::ErrorLine(line));
        }
    }
}

/// True when it was written.
async fn say<I: AsyncWrite + Unpin>(input: &mut Option<I>, text: &str) -> bool {
    let Some(input) = input else { return false };
    if text.is_empty() {
        return true;
    }
    input.write_all(text.as_bytes()).await.is_ok() && input.flush().await.is_ok()
}

/// Lines of a stream, read on a task of their own so that a select never loses half a line.
fn lines(stream: Option<impl AsyncRead + Unpin + Send + 'static>) -> mpsc::Receiver<String> {
    let (sink, lines) = mpsc::channel(64);
    tokio::spawn(async move {
        let Some(stream) = stream else { return };
        let mut reader = BufReader::new(stream);
        let mut line = Vec::new();
        loop {
            line.clear();
            let mut bounded = (&mut reader).take(LINE_BYTES_MAX);
            let read = bounded.read_until(b'\n', &mut line).await;
            let whole = bounded.limit() > 0;
            if !matches!(read, Ok(1..)) || !whole {
                return;
            }
            let text = String::from_utf8_lossy(&line);
            let text = text.trim_end_matches(['\r', '\n']).to_owned();
            if sink.send(text).await.is_err() {
                return;
            }
        }
    });
    lines
}

fn lost(code: &str, message: &str) -> Ending {
    Ending::Lost(Problem::of(
        Class::Retry,
        code,
        message,
        "look at the pod, its node and the way to the API server",
    ))
}

fn ended(
    request: &ExecRequest,
    status: Option<&k8s_openapi::apimachinery::pkg::apis::meta::v1::Status>,
) -> Ending {
    let Some(status) = status else {
        return lost("session-broken", "the stream to the command broke");
    };
    match exec::exit_code(request, status) {
        Ok(code) => Ending::Exited(code),
        Err(problem) => Ending::Lost(problem),
    }
}
