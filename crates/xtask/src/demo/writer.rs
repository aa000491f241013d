//! A customer that never sleeps: writes orders one by one over one session and records, outside the cluster, which were
//! acknowledged and when.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use jiff::Timestamp;

use crate::ground::Ground;
use crate::shop::PSQL;
use crate::testbed::Site;

/// An order that the database said is committed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Order {
    pub(super) sequence: u64,
    pub(super) acknowledged: Timestamp,
}

pub(super) struct Writer {
    stop: Arc<AtomicBool>,
    count: Arc<AtomicU64>,
    thread: Option<JoinHandle<Vec<Order>>>,
}

/// A small generator (Steele, Lea and Flood 2014, SplitMix64): the same orders for the same seed.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

impl Writer {
    /// Starts to write.
    pub(super) fn start(ground: &Ground, seed: u64) -> Result<Self> {
        let mut child = ground
            .kubectl(Site::Primary)
            .args(PSQL)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start the writer")?;
        let input = child.stdin.take().context("the writer has no input")?;
        let output = BufReader::new(child.stdout.take().context("the writer has no output")?);
        let stop = Arc::new(AtomicBool::new(false));
        let count = Arc::new(AtomicU64::new(0));
        let (flag, counter) = (Arc::clone(&stop), Arc::clone(&count));
        let thread = thread::spawn(move || {
            let orders = write(input, output, seed, &flag, &counter);
            end(child);
            orders
        });
        Ok(Self {
            stop,
            count,
            thread: Some(thread),
        })
    }

    /// Orders acknowledged so far.
    pub(super) fn acknowledged(&self) -> u64 {
        self.count.load(Ordering::SeqCst)
    }

    /// Waits until this many orders are acknowledged.
    pub(super) fn wait_for(&self, count: u64) -> Result<()> {
        let deadline = Instant::now() + Duration::from_mins(1);
        while self.acknowledged() < count {
            if Instant::now() > deadline {
                bail!(
                    "the writer got {} orders acknowledged, {count} were expected",
                    self.acknowledged()
                );
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Ends it and tells what was acknowledged.
    pub(super) fn stop(&mut self) -> Result<Vec<Order>> {
        self.stop.store(true, Ordering::SeqCst);
        let thread = self
            .thread
            .take()
            .context("the writer was stopped before")?;
        thread.join().map_err(|_| anyhow!("the writer panicked"))
    }
}

fn end(mut child: Child) {
    // It is gone with its cluster, or goes now; either way nobody waits for its answer.
    drop(child.kill());
    drop(child.wait());
}

/// One transaction after the other; an order counts once its line came back.
fn write(
    mut input: ChildStdin,
    mut output: BufReader<impl std::io::Read>,
    seed: u64,
    stop: &AtomicBool,
    count: &AtomicU64,
) -> Vec<Order> {
    let mut random = SplitMix(seed);
    let mut orders = Vec::new();
    for sequence in 1.. {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let amount = random.next() % 50 + 1;
        let (debit, credit) = (random.next() % 1000 + 1, random.next() % 1000 + 1);
        let sql = format!(
            "BEGIN; UPDATE accounts SET balance = balance - {amount} WHERE id = {debit}; \
             UPDATE accounts SET balance = balance + {amount} WHERE id = {credit}; \
             INSERT INTO orders VALUES ({sequence}, {debit}, {credit}, {amount}, repeat('x', 200)); \
             COMMIT;\n\\echo {sequence}\n"
        );
        if input
            .write_all(sql.as_bytes())
            .and_then(|()| input.flush())
            .is_err()
        {
            break;
        }
        let mut line = String::new();
        match output.read_line(&mut line) {
            Ok(read) if read > 0 && line.trim() == sequence.to_string() => {}
            Ok(_) | Err(_) => break,
        }
        orders.push(Order {
            sequence,
            acknowledged: Timestamp::now(),
        });
        count.store(sequence, Ordering::SeqCst);
    }
    orders
}
