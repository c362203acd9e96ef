//! Works beside the jobs: delivers notices, and keeps the lease of the job that runs.
//!
//! It has a thread and a connection of its own, so that no receiver that hangs holds up a job, and no
//! job a notice. Every receiver gets one notice at a time; one that hangs holds up only itself.

use std::collections::HashMap;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::channel::{Channel, DeliveryError};
use super::lease::BEAT;
use super::outbox::{Attempt, attempt, fate};
use crate::clock::{Clock, SLICE, Stop};
use crate::error::Result;
use crate::jobs::job::JobId;
use crate::jobs::letter::{Letter, LetterFate};
use crate::secret::Confidential;
use crate::store::{Location, Store};

/// Things that the steward works with.
#[derive(Clone)]
pub struct Affairs {
    /// The store, which it opens for itself.
    pub location: Location,
    /// Who is told.
    pub channels: Vec<Channel>,
    /// Secrets, which must not get out.
    pub confidential: Arc<Confidential>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// The steward, as those see it who have something for it to do. It ends when this is dropped.
pub struct Steward {
    orders: UnboundedSender<Order>,
    news: mpsc::Receiver<News>,
    stop: Stop,
}

/// Something that happened meanwhile.
#[derive(Debug)]
pub enum News {
    /// A notice was tried.
    Tried(Attempt),
    /// Something to know.
    Note(String),
}

/// How long to wait for deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// Until only those are left that take long.
    Brief,
    /// Until none is left, or so long.
    Whole(Duration),
}

enum Order {
    Deliver { whole: Patience, done: mpsc::Sender<()> },
    Hold(Hold),
    Release,
}

/// A job that is run, and whom to stop if it turns out to be another's.
struct Hold {
    job: JobId,
    machine: String,
    lost: Stop,
    last: Option<Instant>,
}

/// How often it looks for something to do.
const TICK: Duration = Duration::from_secs(1);
/// Time after which a wait counts as long.
const LONG: Duration = Duration::from_secs(1);
/// How long a database that does nothing is waited for.
const MOST: Duration = Duration::from_secs(30);

impl Steward {
    /// Begins to work.
    pub fn start(affairs: Affairs) -> Self {
        let (orders, received) = unbounded_channel();
        let (tell, news) = mpsc::channel();
        let stop = Stop::new();
        let work = Work {
            affairs,
            stop: stop.clone(),
            store: None,
            hold: None,
            on_their_way: HashMap::new(),
            due: false,
            has_outbox: false,
            waiting: Vec::new(),
            unnoted: HashMap::new(),
            tell: tell.clone(),
            complaint: None,
        };
        let begun = thread::Builder::new().spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            match runtime {
                Ok(runtime) => {
                    runtime.block_on(work.go_on(received));
                    // Whoever hangs is left behind.
                    runtime.shutdown_background();
                }
                Err(error) => drop(work.tell.send(News::Note(error.to_string()))),
            }
        });
        if let Err(error) = begun {
            let note = format!("nothing will be delivered: there is no thread for it: {error}");
            let _ = tell.send(News::Note(note));
        }
        Self { orders, news, stop }
    }

    /// Has everything delivered that is due, waits for it, and says what happened since.
    pub fn deliver(&self, patience: Patience, stop: &Stop) -> Vec<News> {
        let (done, answer) = mpsc::channel();
        let began = Instant::now();
        if self.orders.send(Order::Deliver { whole: patience, done }).is_ok() {
            let most = match patience {
                Patience::Brief => MOST,
                Patience::Whole(most) => most,
            };
            while let Err(mpsc::RecvTimeoutError::Timeout) = answer.recv_timeout(SLICE) {
                let over = stop.is_asked() && stop.farewell().is_zero();
                if over || began.elapsed() >= most {
                    break;
                }
            }
        }
        self.news()
    }

    /// Takes what happened since the last time this was asked.
    pub fn news(&self) -> Vec<News> {
        self.news.try_iter().collect()
    }

    /// Keeps the lease of a job from now on. If another machine turns out to have it, `lost` is
    /// asked for.
    pub(super) fn hold(&self, job: JobId, machine: &str, lost: &Stop) {
        let hold = Hold { job, machine: machine.to_owned(), lost: lost.clone(), last: None };
        let _ = self.orders.send(Order::Hold(hold));
    }

    /// Keeps no lease any more.
    pub(super) fn release(&self) {
        let _ = self.orders.send(Order::Release);
    }
}

impl Drop for Steward {
    fn drop(&mut self) {
        self.stop.ask();
    }
}

struct Work {
    affairs: Affairs,
    stop: Stop,
    store: Option<Store>,
    hold: Option<Hold>,
    /// By channel, since when.
    on_their_way: HashMap<String, Instant>,
    /// Whether more is due than is on its way.
    due: bool,
    has_outbox: bool,
    waiting: Vec<(Patience, mpsc::Sender<()>)>,
    tell: mpsc::Sender<News>,
    /// Letters whose fate could not be noted, such as on a full disk: they are not tried again before
    /// it is.
    unnoted: HashMap<i64, LetterFate>,
    /// Last message about the store, so that it is said once.
    complaint: Option<String>,
}

/// A letter that was tried.
struct Tried {
    letter: Letter,
    outcome: Result<(), DeliveryError>,
}

impl Work {
    async fn go_on(mut self, mut orders: UnboundedReceiver<Order>) {
        let (done, mut tried) = unbounded_channel::<Tried>();
        loop {
            tokio::select! {
                order = orders.recv() => match order {
                    Some(Order::Deliver { whole, done }) => self.waiting.push((whole, done)),
                    Some(Order::Hold(hold)) => self.hold = Some(hold),
                    Some(Order::Release) => self.hold = None,
                    None => return,
                },
                Some(one) = tried.recv() => {
                    self.on_their_way.remove(&one.letter.channel);
                    let noted = self.note(one).await;
                    self.complain_of(noted);
                }
                () = tokio::time::sleep(if self.waiting.is_empty() { TICK } else { SLICE }) => {}
            }
            let looked = self.look(&done).await;
            let failed = looked.is_err();
            self.complain_of(looked);
            self.answer(failed);
        }
    }

    async fn look(&mut self, done: &UnboundedSender<Tried>) -> Result<()> {
        self.beat().await?;
        if self.stop.is_asked() {
            return Ok(());
        }
        self.due = false;
        let now = self.affairs.clock.now();
        if !self.has_outbox {
            let store = self.store().await?;
            let none = store.due_letters(now).await?.is_empty();
            // Of several that share a store, one delivers.
            if none || !store.try_take_outbox().await? {
                return Ok(());
            }
            self.has_outbox = true;
        }
        for (id, fate) in self.unnoted.clone() {
            self.store().await?.note_letter(id, &fate, now).await?;
            self.unnoted.remove(&id);
        }
        for letter in self.store().await?.due_letters(now).await? {
            self.due = true;
            if self.on_their_way.contains_key(&letter.channel) {
                continue;
            }
            self.on_their_way.insert(letter.channel.clone(), Instant::now());
            let (affairs, stop, done) = (self.affairs.clone(), self.stop.clone(), done.clone());
            tokio::task::spawn_blocking(move || {
                let outcome = attempt(&letter, &affairs.channels, &affairs.confidential, &stop);
                // Nobody listens any more if the steward is gone.
                let _ = done.send(Tried { letter, outcome });
            });
        }
        if self.on_their_way.is_empty() {
            self.has_outbox = false;
            self.store().await?.leave_outbox().await?;
        }
        Ok(())
    }

    async fn note(&mut self, Tried { letter, outcome }: Tried) -> Result<()> {
        let now = self.affairs.clock.now();
        let fate = fate(&letter, outcome, now);
        self.unnoted.insert(letter.id, fate.clone());
        let _ =
            self.tell.send(News::Tried(Attempt { channel: letter.channel, fate: fate.clone() }));
        self.store().await?.note_letter(letter.id, &fate, now).await?;
        self.unnoted.remove(&letter.id);
        Ok(())
    }

    /// Says that the job is still run.
    async fn beat(&mut self) -> Result<()> {
        let Some(hold) = &self.hold else { return Ok(()) };
        if hold.last.is_some_and(|last| last.elapsed() < BEAT) {
            return Ok(());
        }
        let (job, machine) = (hold.job, hold.machine.clone());
        let now = self.affairs.clock.now();
        let held = self.store().await?.beat_job(job, &machine, now).await?;
        if let Some(hold) = &mut self.hold {
            hold.last = Some(Instant::now());
            if !held {
                hold.lost.ask();
            }
        }
        Ok(())
    }

    async fn store(&mut self) -> Result<&mut Store> {
        let store = match self.store.take() {
            Some(store) => store,
            None => Store::open(&self.affairs.location).await?,
        };
        Ok(self.store.insert(store))
    }

    fn complain_of(&mut self, done: Result<()>) {
        match done {
            Ok(()) => self.complaint = None,
            Err(error) => {
                // Opened anew, it may work again.
                self.store = None;
                self.has_outbox = false;
                let said = format!("notices wait, because {}", error.with_causes());
                if self.complaint.as_ref() != Some(&said) {
                    let _ = self.tell.send(News::Note(said.clone()));
                    self.complaint = Some(said);
                }
            }
        }
    }

    fn answer(&mut self, failed: bool) {
        let quiet = self.on_their_way.is_empty() && !self.due;
        let slow = self.on_their_way.values().all(|began| began.elapsed() >= LONG);
        self.waiting.retain(|(patience, done)| {
            let enough = failed || quiet || (slow && *patience == Patience::Brief);
            if enough {
                let _ = done.send(());
            }
            !enough
        });
    }
}
