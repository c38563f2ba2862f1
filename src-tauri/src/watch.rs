//! Looks at the chain while a network is chosen: says that a request waits, and carries out what standing approvals let go on
//! without the owner's word, one job at a time; while the vault is locked only where the owner turned that on.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use app::job::serve::{self, Due, What};
use app::view::{Change, TaskKind, TaskState};

use crate::desk::Desk;
use crate::notice::{self, Notice};
use crate::task::Outcome;

/// How often it looks.
const EVERY: Duration = Duration::from_secs(10);
/// What did not come further is tried again after this long.
const AGAIN: Duration = Duration::from_secs(600);

/// Starts looking, on a thread of its own, until the program ends.
pub fn start(desk: &Desk) {
    let desk = desk.clone();
    let mut watch = Watch { desk, told: HashSet::new(), tried: HashMap::new() };
    let looking = move || {
        loop {
            std::thread::sleep(EVERY);
            watch.look();
        }
    };
    if let Err(error) = std::thread::Builder::new().name("watch".into()).spawn(looking) {
        app::log::note(&format!("requests are shown only when a page asks for them: {error}"));
    }
}

struct Watch {
    desk: Desk,
    /// Requests that were told.
    told: HashSet<String>,
    /// When a job was last tried.
    tried: HashMap<String, Instant>,
}

impl Watch {
    fn look(&mut self) {
        if !self.desk.hold.is_open() {
            // The lock stopped what ran: that is no failure.
            self.tried.clear();
            if self.desk.earn() > 0 {
                notice::send(&self.desk.app, Notice::Finished, &self.desk.settings());
            }
            return;
        }
        self.arm();
        // Without a network, or while it does not answer, there is nothing to say; the pages say that themselves.
        let Ok(due) = self.desk.look(async |home, network| serve::due(home, network).await) else { return };
        // Tasks change the vault one after another, and what a job may do depends on those before it.
        let mut busy = self.desk.tasks.list().tasks.iter().any(|task| task.state == TaskState::Running);
        let mut new = false;
        for Due { job, what } in due {
            match what {
                What::Decide => new |= self.told.insert(job),
                What::Approve(_) | What::Run => busy = busy || self.go_on(job, TaskKind::Job),
                What::Settle => busy = busy || self.go_on(job, TaskKind::Settle),
            }
        }
        if new {
            notice::send(&self.desk.app, Notice::Request, &self.desk.settings());
            self.desk.tell(Change::Vault);
        }
    }

    /// Gets ready to earn while the vault is locked. A task changes the vault: then this waits for the next look.
    fn arm(&self) {
        let busy = self.desk.tasks.list().tasks.iter().any(|task| task.state == TaskState::Running);
        if !busy {
            self.desk.arm();
        }
    }

    /// Carries one job on as a task, unless the same was tried a short time ago. Whether it was started.
    fn go_on(&mut self, job: String, kind: TaskKind) -> bool {
        let known = format!("{job} {kind:?}");
        if self.tried.get(&known).is_some_and(|at| at.elapsed() < AGAIN) {
            return false;
        }
        let (device, subject) = (self.desk.device(), job.clone());
        let act = move |desk: &Desk| {
            let done = desk.act(async |home, network| serve::one(home, network, &job, &device).await);
            done.map(|job| Outcome::Job(Box::new(job)))
        };
        let started = self.desk.start(kind, &subject, act).is_ok();
        if started {
            self.tried.insert(known, Instant::now());
        }
        started
    }
}
