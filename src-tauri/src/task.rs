//! What runs in the background: imports, jobs, backups. A task outlives a reload of the page, can be stopped, and says
//! how far it is.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use app::error::{Code, Error, Result};
use app::progress::{self, Stage, Watch};
use app::view::{Exported, Failure, Import, Job, Task, TaskKind, TaskState, Tasks};

/// Ended tasks that are remembered.
const REMEMBERED: usize = 50;
/// Proofs and models want more than a thread's usual stack.
const STACK: usize = 16 << 20;
/// The page hears of progress no more often than this.
const TELL_EVERY: Duration = Duration::from_millis(150);

/// What a task gave.
pub enum Outcome {
    /// An import.
    Imported(Import),
    /// A backup.
    Exported(Exported),
    /// A job, further than before.
    Job(Box<Job>),
    /// Nothing but that it is done.
    Done,
}

/// All tasks since the program started.
#[derive(Clone)]
pub struct Running {
    shared: Arc<Shared>,
}

struct Shared {
    list: Mutex<Vec<Arc<One>>>,
    next: AtomicU32,
    told: Box<dyn Fn() + Send + Sync>,
}

struct One {
    view: Mutex<Task>,
    stopped: AtomicBool,
    started: Instant,
    told_at: Mutex<Instant>,
    shared: std::sync::Weak<Shared>,
}

impl Running {
    /// None yet; `told` hears of every change.
    pub fn new(told: impl Fn() + Send + Sync + 'static) -> Running {
        Running { shared: Arc::new(Shared { list: Mutex::default(), next: AtomicU32::new(1), told: Box::new(told) }) }
    }

    /// Starts a task on a thread of its own. `ended` is called when it has ended.
    ///
    /// # Errors
    /// `Busy` while the same is being done with the same subject; `Failure` where the system gives no thread.
    pub fn start(
        &self,
        kind: TaskKind,
        subject: &str,
        act: impl FnOnce() -> Result<Outcome> + Send + 'static,
        ended: impl FnOnce(&Task) + Send + 'static,
    ) -> Result<Task> {
        let one = {
            let mut list = locked(&self.shared.list);
            let same = |task: &Task| task.state == TaskState::Running && task.subject == subject;
            if list.iter().any(|one| same(&locked(&one.view))) {
                return Err(
                    Error::new(Code::Busy, "this is being done already").hint("Wait until it has ended, or stop it.")
                );
            }
            let one = self.one(kind, subject);
            list.push(one.clone());
            let over = list.len().saturating_sub(REMEMBERED);
            let mut left = over;
            list.retain(|one| {
                let old = left > 0 && locked(&one.view).state != TaskState::Running;
                left -= usize::from(old);
                !old
            });
            one
        };
        let shown = locked(&one.view).clone();
        let (work, shared) = (one.clone(), self.shared.clone());
        let run = move || {
            // A defect in one task is that task's failure; what it did not commit does not count.
            let done = std::panic::catch_unwind(AssertUnwindSafe(|| progress::watched(work.clone(), act)))
                .unwrap_or_else(|_| {
                    Err(Error::failure("this ended by a defect of the program; nothing was left half done"))
                });
            work.end(done);
            let shown = work.shown();
            (shared.told)();
            ended(&shown);
        };
        let started = std::thread::Builder::new().name("task".into()).stack_size(STACK).spawn(run);
        if let Err(error) = started {
            one.end(Err(Error::from(error)));
            return Err(Error::failure("the system gives no thread for this"));
        }
        (self.shared.told)();
        Ok(shown)
    }

    fn one(&self, kind: TaskKind, subject: &str) -> Arc<One> {
        let stages: &[Stage] = match kind {
            TaskKind::Job => &[Stage::Read, Stage::Compute, Stage::Commit, Stage::Prove],
            TaskKind::Settle => &[Stage::Settle],
            TaskKind::Import | TaskKind::Backup | TaskKind::Meaning => &[],
        };
        let view = Task {
            id: self.shared.next.fetch_add(1, Ordering::Relaxed),
            kind,
            subject: subject.to_owned(),
            state: TaskState::Running,
            stages: stages.iter().map(|stage| stage.word().to_owned()).collect(),
            stage: None,
            done: 0,
            total: 0,
            started_at: app::time::rfc3339(app::time::now()),
            ms: 0,
            failure: None,
            imported: None,
            exported: None,
            job: None,
        };
        let now = Instant::now();
        Arc::new(One {
            view: Mutex::new(view),
            stopped: AtomicBool::new(false),
            started: now,
            told_at: Mutex::new(now),
            shared: Arc::downgrade(&self.shared),
        })
    }

    /// All of them, newest first.
    pub fn list(&self) -> Tasks {
        Tasks { tasks: locked(&self.shared.list).iter().rev().map(|one| one.shown()).collect() }
    }

    /// Asks a task to stop; it does at its next step.
    ///
    /// # Errors
    /// `NotFound` for an unknown number.
    pub fn stop(&self, id: u32) -> Result<()> {
        let list = locked(&self.shared.list);
        let one = list.iter().find(|one| locked(&one.view).id == id);
        let one = one.ok_or_else(|| Error::not_found(format!("there is no task {id}")))?;
        one.stopped.store(true, Ordering::SeqCst);
        Ok(())
    }

    /// Asks all of them to stop.
    pub fn stop_all(&self) {
        locked(&self.shared.list).iter().for_each(|one| one.stopped.store(true, Ordering::SeqCst));
    }

    /// Forgets a task that has ended.
    ///
    /// # Errors
    /// `NotFound` for an unknown number; `Refused` while it runs.
    pub fn forget(&self, id: u32) -> Result<()> {
        let mut list = locked(&self.shared.list);
        let at = list.iter().position(|one| locked(&one.view).id == id);
        let at = at.ok_or_else(|| Error::not_found(format!("there is no task {id}")))?;
        if locked(&list[at].view).state == TaskState::Running {
            return Err(Error::refused("this task still runs").hint("Stop it first."));
        }
        list.remove(at);
        Ok(())
    }
}

impl One {
    fn shown(&self) -> Task {
        let mut view = locked(&self.view).clone();
        if view.state == TaskState::Running {
            view.ms = millis(self.started);
        }
        view
    }

    fn end(&self, done: Result<Outcome>) {
        let mut view = locked(&self.view);
        view.ms = millis(self.started);
        view.state = TaskState::Done;
        match done {
            Ok(Outcome::Imported(imported)) => view.imported = Some(imported),
            Ok(Outcome::Exported(exported)) => view.exported = Some(exported),
            Ok(Outcome::Job(job)) => view.job = Some(*job),
            Ok(Outcome::Done) => {}
            Err(error) => {
                let stopped = error.code == Code::Interrupted || self.stopped.load(Ordering::SeqCst);
                view.state = if stopped { TaskState::Stopped } else { TaskState::Failed };
                app::log::note(&format!("{} {:?} {:?}", view.started_at, view.kind, error.code));
                view.failure = Some(Failure::from(error));
            }
        }
    }

    fn tell(&self) {
        if let Some(shared) = self.shared.upgrade() {
            (shared.told)();
        }
    }
}

impl Watch for One {
    fn stage(&self, stage: Stage) {
        {
            let mut view = locked(&self.view);
            view.stage = Some(stage.word().to_owned());
            (view.done, view.total) = (0, 0);
        }
        self.tell();
    }

    fn at(&self, done: u64, total: u64) {
        {
            let mut view = locked(&self.view);
            (view.done, view.total) = (done, total);
        }
        let mut told_at = locked(&self.told_at);
        if told_at.elapsed() >= TELL_EVERY || done == total {
            *told_at = Instant::now();
            drop(told_at);
            self.tell();
        }
    }

    fn stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn imported() -> Result<Outcome> {
        Ok(Outcome::Imported(Import::default()))
    }

    fn ended(
        act: impl FnOnce(&Running, u32) -> Result<()>,
        work: impl FnOnce() -> Result<Outcome> + Send + 'static,
    ) -> Task {
        let running = Running::new(|| ());
        let (tell, told) = mpsc::channel();
        let task = running.start(TaskKind::Import, "notes", work, move |task| _ = tell.send(task.clone())).unwrap();
        act(&running, task.id).unwrap();
        told.recv_timeout(Duration::from_secs(20)).unwrap()
    }

    fn until_stopped() -> Result<Outcome> {
        let mut progress = app::progress::Progress::start("counting");
        for step in 0.. {
            progress.at(step, 1_000_000)?;
            std::thread::sleep(Duration::from_millis(1));
        }
        imported()
    }

    #[test]
    fn task_ends_with_its_outcome() {
        let task = ended(|_, _| Ok(()), imported);
        assert_eq!(task.state, TaskState::Done);
        assert!(task.imported.is_some() && task.failure.is_none());
    }

    #[test]
    fn task_that_fails_says_why() {
        let task = ended(|_, _| Ok(()), || Err(Error::refused("no")));
        assert_eq!((task.state, task.failure.unwrap().code.as_str()), (TaskState::Failed, "refused"));
    }

    #[test]
    fn stopped_task_stops_at_its_next_step() {
        let task = ended(|running, id| running.stop(id), until_stopped);
        assert_eq!(task.state, TaskState::Stopped);
    }

    #[test]
    fn same_task_does_not_run_twice_and_a_running_one_is_not_forgotten() {
        let task = ended(
            |running, id| {
                let again = running.start(TaskKind::Import, "notes", imported, |_| ());
                assert_eq!(again.unwrap_err().code, Code::Busy);
                assert_eq!(running.forget(id).unwrap_err().code, Code::Refused);
                running.stop_all();
                Ok(())
            },
            until_stopped,
        );
        assert_eq!(task.state, TaskState::Stopped);
    }

    #[test]
    fn unknown_task_is_not_found() {
        let running = Running::new(|| ());
        assert_eq!(running.stop(7).unwrap_err().code, Code::NotFound);
        assert_eq!(running.forget(7).unwrap_err().code, Code::NotFound);
    }

    #[test]
    fn ended_tasks_are_forgotten_beyond_a_number() {
        let running = Running::new(|| ());
        for number in 0..REMEMBERED + 20 {
            let (tell, told) = mpsc::channel();
            running.start(TaskKind::Import, &number.to_string(), imported, move |_| _ = tell.send(())).unwrap();
            told.recv_timeout(Duration::from_secs(20)).unwrap();
        }
        assert!(running.list().tasks.len() <= REMEMBERED);
    }
}
