//! The probe process: asks the server what to check, checks it as the server does, and hands in what it found. It has no database:
//! what it has to check is in memory, what the server does not have yet in a [`Spool`].

mod link;
mod notebook;

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use url::Url;
use uuid::Uuid;

use self::link::{Link, Trouble};
use self::notebook::{Known, Notebook};
use super::spool::{Batch, Spool};
use super::wire::{
    Assignments, Load, Poll, RESULTS_MAX, Receipt, Results, VERSION, WAIT_MAX_SECONDS,
};
use crate::checker::judge::Judge;
use crate::checker::meter::Meter;
use crate::checker::run::{Checker, Command};
use crate::cli::CliError;
use crate::clock::{Clock, CorrectedClock, SystemClock, Timestamp};
use crate::monitor::cutoff::Change;
use crate::probe::{Canaries, EgressRules, Prober};
use crate::supervise::{STOP_LIMIT, Supervisor};

/// The first pause after a trouble, in ms; it doubles up to the longest, give or take a half.
const PAUSE_MS: i64 = 500;
const PAUSE_MAX_MS: i64 = 30_000;
/// How long to wait before asking again while the probe is disabled, in ms.
const DISABLED_MS: i64 = 15_000;
/// A clock that is off by less is left alone, in ms: it would be set to and fro.
const OFF_MS: i64 = 250;
/// A correction that moves the plans of checks, in ms.
const REPLAN_MS: i64 = 2_000;
/// Results wait so long for company, in ms.
const GATHER_MS: i64 = 200;
/// So few results get through by any way that lets requests through at all.
const BATCH_MIN: usize = 10;
/// By so many a batch grows again: slowly, as one that is too large costs the whole time of a request.
const BATCH_STEP: usize = 25;

/// What a probe is started with.
pub struct AgentConfig {
    /// Where the server is.
    pub server: Url,
    /// The token that the server showed when the probe was made.
    pub token: String,
    /// The folder for results that the server does not have yet.
    pub spool: PathBuf,
    /// The most bytes in it.
    pub spool_max_bytes: u64,
    /// Checks in flight.
    pub permits: usize,
    /// Which addresses may be checked.
    pub egress: EgressRules,
    /// What tells "me" from "them".
    pub canaries: Arc<dyn Canaries>,
}

struct Agent {
    link: Link,
    instance: Uuid,
    clock: Arc<CorrectedClock>,
    notebook: Arc<Notebook>,
    meter: Arc<Meter>,
    known: Mutex<Known>,
    /// Told whenever the server has answered.
    reached: Notify,
}

/// Runs until `stop`, or until the server refuses the token for good.
///
/// # Errors
/// One line that names what is in the way.
pub async fn run(config: AgentConfig, stop: CancellationToken) -> Result<(), CliError> {
    let spool = open_spool(&config)?;
    let failed = |error: anyhow::Error| CliError::Failed(format!("cannot make checks: {error}"));
    let prober = Prober::new(config.egress.clone()).map_err(failed)?;
    if let Some(advice) = prober.icmp_refusal() {
        tracing::warn!("{advice}; monitors of the type icmp are unknown until then");
    }
    let link = Link::new(&config.server, &config.token).map_err(failed)?;
    let clock = Arc::new(CorrectedClock::new(SystemClock.now()));
    let agent = Arc::new(Agent {
        link,
        instance: Uuid::new_v4(),
        clock: clock.clone(),
        notebook: Arc::new(Notebook::new(spool)),
        meter: Arc::default(),
        known: Mutex::default(),
        reached: Notify::new(),
    });
    let first = tokio::select! {
        () = stop.cancelled() => return Ok(()),
        first = agent.first_contact() => first?,
    };
    tracing::info!(region = first.region, "the server has work for this probe");

    let supervisor = Supervisor::new(CancellationToken::new());
    let (commands, queue) = mpsc::unbounded_channel();
    let (judge, changes) = Judge::begin(config.canaries, clock.clone(), false);
    let checker = Checker {
        clock,
        prober: Arc::new(prober),
        judge: judge.clone(),
        records: agent.notebook.clone(),
        region: first.region.clone(),
        permits: config.permits,
        meter: agent.meter.clone(),
    };
    let stopping = supervisor.stop().clone();
    supervisor.spawn("checker", checker.run(Vec::new(), queue, stopping.clone()));
    supervisor
        .spawn("region watch", watch_region(judge, changes, commands.clone(), stopping.clone()));
    supervisor.spawn("results", agent.clone().hand_in(stopping.clone()));
    let outcome = tokio::select! {
        () = stop.cancelled() => Ok(()),
        () = stopping.cancelled() => Ok(()),
        refused = agent.clone().follow(first, &commands) => Err(refused),
    };
    stopping.cancel();
    if !supervisor.shut_down(STOP_LIMIT).await {
        tracing::warn!("some work did not end in time");
    }
    match supervisor.died() {
        Some(task) => Err(CliError::Failed(format!("the {task} died; the log says why"))),
        None => outcome,
    }
}

fn open_spool(config: &AgentConfig) -> Result<Spool, CliError> {
    let folder = config.spool.display();
    Spool::open(&config.spool, config.spool_max_bytes).map_err(|error| match error.kind() {
        // One that is about to end lets it go soon: worth another start.
        io::ErrorKind::WouldBlock => CliError::Failed(format!(
            "WATCHBELL_PROBE_SPOOL: another process uses the folder {folder}; give each probe its own"
        )),
        _ => CliError::Usage(format!(
            "WATCHBELL_PROBE_SPOOL: cannot use the folder {folder}: {error}"
        )),
    })
}

/// What was found about the network of this region: held verdicts stay `unknown`, and everything is checked afresh when it is back.
async fn watch_region(
    judge: Judge,
    mut changes: mpsc::UnboundedReceiver<Change>,
    commands: mpsc::UnboundedSender<Command>,
    stop: CancellationToken,
) {
    tokio::select! {
        () = stop.cancelled() => return,
        () = judge.introduce() => {}
    }
    loop {
        let change = tokio::select! {
            () = stop.cancelled() => return,
            change = judge.next_change(&mut changes) => change,
        };
        match change {
            Change::CutOff { tally, .. } => {
                tracing::warn!(
                    silent = tally.silent,
                    hosts = tally.all,
                    "cut off from the network"
                );
                continue;
            }
            Change::Back => tracing::info!("back on the network"),
            Change::LookAround => {}
        }
        // The checker is gone only at the stop.
        let _ = commands.send(Command::CheckAllSoon);
    }
}

/// A pause that grows with each trouble and is never the same on two probes.
#[derive(Default)]
struct Pauses(u32);

impl Pauses {
    fn are_none(&self) -> bool {
        self.0 == 0
    }

    fn next_ms(&mut self) -> i64 {
        let ms = PAUSE_MS.saturating_mul(1 << self.0.min(10)).min(PAUSE_MAX_MS);
        self.0 += 1;
        (ms as f64 * (0.5 + rand::random::<f64>())) as i64
    }
}

impl Agent {
    /// Asks until the server answers.
    async fn first_contact(&self) -> Result<Assignments, CliError> {
        let mut pauses = Pauses::default();
        loop {
            match self.poll(0).await {
                Ok(answer) => return Ok(answer),
                Err(trouble) => self.bear(trouble, &mut pauses).await?,
            }
        }
    }

    /// Does what the server says until it refuses the token for good; gives that.
    async fn follow(
        self: Arc<Self>,
        first: Assignments,
        commands: &mpsc::UnboundedSender<Command>,
    ) -> CliError {
        let mut pauses = Pauses::default();
        let mut answer = Some(first);
        loop {
            if let Some(answer) = answer.take() {
                for command in self.known().take(answer, &self.notebook, self.clock.now()) {
                    // The checker is gone only at the stop.
                    let _ = commands.send(command);
                }
            }
            match self.poll(WAIT_MAX_SECONDS).await {
                Ok(given) => {
                    pauses = Pauses::default();
                    self.reached.notify_one();
                    answer = Some(given);
                }
                Err(trouble) => {
                    if matches!(trouble, Trouble::Disabled(_)) {
                        for command in self.known().drop_all(&self.notebook) {
                            let _ = commands.send(command);
                        }
                    }
                    if let Err(refused) = self.bear(trouble, &mut pauses).await {
                        return refused;
                    }
                }
            }
            if self.was_corrected() {
                let _ = commands.send(Command::Replan);
            }
        }
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        // Never half changed.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits after a trouble, as long as it deserves.
    ///
    /// # Errors
    /// When it will not pass by itself.
    async fn bear(&self, trouble: Trouble, pauses: &mut Pauses) -> Result<(), CliError> {
        let ms = match trouble {
            Trouble::Refused(why) => return Err(CliError::Usage(why)),
            Trouble::Disabled(why) => {
                tracing::warn!(why, "this probe may not work now");
                DISABLED_MS
            }
            Trouble::Away(why) => {
                let ms = pauses.next_ms();
                tracing::warn!(why, again_in_ms = ms, "the server does not answer");
                ms
            }
        };
        self.clock.sleep_until(self.clock.now().plus_ms(ms)).await;
        Ok(())
    }

    async fn poll(&self, wait_seconds: u32) -> Result<Assignments, Trouble> {
        let poll = {
            let known = self.known();
            let load = self.meter.load();
            let (spooled, dropped) = self.notebook.backlog();
            Poll {
                version: VERSION,
                instance: self.instance,
                program: env!("CARGO_PKG_VERSION").to_owned(),
                epoch: known.epoch,
                revision: known.revision,
                clock: SystemClock.now().0,
                latency_ms: known.latency_ms,
                load: Load {
                    monitors: known.count(),
                    in_flight: load.in_flight,
                    waiting: load.waiting,
                    spooled,
                    dropped,
                    lateness_p99_ms: self.meter.lateness.quantile_ms(0.99),
                },
                wait_seconds,
            }
        };
        let sent = self.clock.now();
        let answer: Assignments = self.link.post("poll", &poll, wait_seconds).await?;
        self.note_clock(sent, self.clock.now(), &answer);
        Ok(answer)
    }

    /// Measures how far the clocks are apart, by the four moments of a request (RFC 5905, section 8), and corrects ours.
    fn note_clock(&self, sent: Timestamp, got: Timestamp, answer: &Assignments) {
        let there = Timestamp(answer.received_at).since(sent);
        let back = Timestamp(answer.sent_at).since(got);
        let latency_ms = got.since(sent) - (answer.sent_at - answer.received_at);
        let off_ms = (there + back) / 2;
        let mut known = self.known();
        known.latency_ms = Some(latency_ms.max(0));
        // The way may be as long in one direction alone.
        if off_ms.abs() > OFF_MS.max(latency_ms / 2) {
            self.clock.correct(off_ms);
            known.corrected |= off_ms.abs() > REPLAN_MS;
            tracing::info!(off_ms, "the clock was corrected by the server's");
        }
    }

    fn was_corrected(&self) -> bool {
        std::mem::take(&mut self.known().corrected)
    }

    /// Hands in results until `stop`, and then what is there still, if the server takes it.
    async fn hand_in(self: Arc<Self>, stop: CancellationToken) {
        let (mut pauses, mut batch) = (Pauses::default(), RESULTS_MAX);
        loop {
            let handed_in = self.hand_in_all(&mut batch).await;
            let pause_ms = match &handed_in {
                Ok(()) => {
                    pauses = Pauses::default();
                    GATHER_MS
                }
                Err(trouble) => {
                    // Said once: it may be that the polls are answered, so that nothing else says it.
                    if pauses.are_none() {
                        tracing::warn!(
                            why = trouble.why(),
                            "results are kept, as they cannot be handed in"
                        );
                    }
                    pauses.next_ms()
                }
            };
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.notebook.filled() => {}
            }
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.clock.sleep_until(self.clock.now().plus_ms(pause_ms)) => {}
                // What was kept must not wait until a long pause is over.
                () = self.reached.notified(), if handed_in.is_err() => {}
            }
        }
        if self.hand_in_all(&mut batch).await.is_err() {
            tracing::info!("results are kept for the next start");
        }
    }

    /// Hands in all that waits, `most` results at a time: half of that after a trouble, as a slow way takes no more within the time
    /// of a request, and some more each time that it goes well.
    async fn hand_in_all(&self, most: &mut usize) -> Result<(), Trouble> {
        while let Some(batch) = self.notebook.read(*most) {
            if !batch.results.is_empty()
                && let Err(trouble) = self.hand_in_batch(&batch).await
            {
                *most = (*most / 2).max(BATCH_MIN);
                return Err(trouble);
            }
            *most = (*most + BATCH_STEP).min(RESULTS_MAX);
            self.notebook.acknowledge(&batch);
        }
        Ok(())
    }

    async fn hand_in_batch(&self, batch: &Batch) -> Result<(), Trouble> {
        let results =
            Results { version: VERSION, instance: self.instance, results: batch.results.clone() };
        let receipt: Receipt = self.link.post("results", &results, 0).await?;
        if receipt.refused > 0 {
            tracing::warn!(count = receipt.refused, "the server refused results");
        }
        Ok(())
    }
}
