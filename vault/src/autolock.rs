//! Auto-lock: what holds a key is dropped once nobody used it for a while. A property of the process that holds the key.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

/// The machine may have slept while this process did: the wall clock is looked at this often.
const LOOK: Duration = Duration::from_secs(10);

/// Holds a value, such as an open [`crate::Vault`], and drops it when it was not used for a time. Dropping a vault closes
/// it, releases its lock and wipes its keys from memory.
///
/// ```
/// use std::time::Duration;
/// use vault::AutoLock;
/// let hold = AutoLock::new(Duration::from_secs(300), || println!("locked"));
/// hold.unlock(String::from("what holds a key"));
/// assert_eq!(hold.with(|held| held.len()), Some(16));
/// hold.lock();
/// assert_eq!(hold.with(|held| held.len()), None);
/// ```
#[derive(Debug)]
pub struct AutoLock<T: Send + 'static> {
    shared: Arc<(Mutex<State<T>>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct State<T> {
    held: Option<T>,
    /// It was dropped because it was due, and the owner was not told yet.
    lapsed: bool,
    idle: Duration,
    used: (Instant, SystemTime),
    ended: bool,
}

impl<T> State<T> {
    /// How long until it is due; zero when it is.
    fn left(&self) -> Duration {
        // A wall clock that was set back says nothing; the other then counts alone.
        let wall = self.used.1.elapsed().unwrap_or_default();
        self.idle.saturating_sub(self.used.0.elapsed().max(wall))
    }

    fn touch(&mut self) {
        self.used = (Instant::now(), SystemTime::now());
    }

    /// Drops what is held when it is due, whoever comes first: as after the machine slept.
    fn drop_due(&mut self) {
        if self.left().is_zero() && self.held.take().is_some() {
            self.lapsed = true;
        }
    }
}

impl<T: Send + 'static> AutoLock<T> {
    /// Holds nothing yet. What it will hold is dropped `idle` after its last use, by a thread of its own, which then
    /// calls `told`.
    pub fn new(idle: Duration, told: impl Fn() + Send + 'static) -> AutoLock<T> {
        let used = (Instant::now(), SystemTime::now());
        let state = State { held: None, lapsed: false, idle, used, ended: false };
        let shared = Arc::new((Mutex::new(state), Condvar::new()));
        let watched = shared.clone();
        let thread = std::thread::Builder::new().name("auto-lock".into()).spawn(move || watch(&watched, &told));
        let thread = thread.inspect_err(|error| tracing::warn!(%error, "the vault will not lock by itself")).ok();
        AutoLock { shared, thread }
    }

    /// Holds a value from now on, in the place of one that it may hold.
    pub fn unlock(&self, value: T) {
        let mut state = self.state();
        state.touch();
        let before = state.held.replace(value);
        drop(state);
        drop(before);
        self.shared.1.notify_all();
    }

    /// Uses what is held, if anything is; that counts as use until it returns. Others wait meanwhile.
    pub fn with<R>(&self, act: impl FnOnce(&mut T) -> R) -> Option<R> {
        let mut state = self.due();
        let done = state.held.as_mut().map(act);
        state.touch();
        done
    }

    /// Looks at what is held, if anything is. That does not count as use: a program may ask by itself.
    pub fn look<R>(&self, ask: impl FnOnce(&T) -> R) -> Option<R> {
        self.due().held.as_ref().map(ask)
    }

    /// Counts as use.
    pub fn touch(&self) {
        let mut state = self.state();
        if !state.left().is_zero() {
            state.touch();
        }
    }

    /// Is something held?
    pub fn is_unlocked(&self) -> bool {
        let state = self.state();
        state.held.is_some() && !state.left().is_zero()
    }

    /// Changes how long it is held without use, counted from the last use.
    pub fn set_idle(&self, idle: Duration) {
        self.state().idle = idle;
        self.shared.1.notify_all();
    }

    /// Drops what is held, once what is using it has ended. Was anything held?
    pub fn lock(&self) -> bool {
        self.state().held.take().is_some()
    }

    /// The state, after what is due was dropped. The thread is woken to tell the owner.
    fn due(&self) -> MutexGuard<'_, State<T>> {
        let mut state = self.state();
        state.drop_due();
        if state.lapsed {
            self.shared.1.notify_all();
        }
        state
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Send + 'static> Drop for AutoLock<T> {
    fn drop(&mut self) {
        let mut state = self.state();
        state.ended = true;
        state.held = None;
        drop(state);
        self.shared.1.notify_all();
        // It may be this very thread, when what it calls holds the last reference.
        if let Some(thread) = self.thread.take().filter(|thread| thread.thread().id() != std::thread::current().id()) {
            let _ = thread.join();
        }
    }
}

fn watch<T>((state, changed): &(Mutex<State<T>>, Condvar), told: &dyn Fn()) {
    let mut now = state.lock().unwrap_or_else(PoisonError::into_inner);
    while !now.ended {
        now.drop_due();
        if std::mem::take(&mut now.lapsed) {
            drop(now);
            told();
            now = state.lock().unwrap_or_else(PoisonError::into_inner);
        } else if now.held.is_none() {
            now = changed.wait(now).unwrap_or_else(PoisonError::into_inner);
        } else {
            let left = now.left().min(LOOK);
            now = changed.wait_timeout(now, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// Says when it is dropped.
    struct Key(Arc<AtomicU32>);

    impl Drop for Key {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn held(idle: Duration) -> (AutoLock<Key>, Arc<AtomicU32>, Arc<AtomicU32>) {
        let (wiped, told) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let telling = told.clone();
        let hold = AutoLock::new(idle, move || {
            telling.fetch_add(1, Ordering::SeqCst);
        });
        hold.unlock(Key(wiped.clone()));
        (hold, wiped, told)
    }

    fn wait_for(count: &AtomicU32, wanted: u32) {
        let end = Instant::now() + Duration::from_secs(20);
        while count.load(Ordering::SeqCst) != wanted {
            assert!(Instant::now() < end, "{} instead of {wanted}", count.load(Ordering::SeqCst));
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn idle_value_is_dropped_and_its_owner_told_once() {
        let (hold, wiped, told) = held(Duration::from_millis(50));
        wait_for(&wiped, 1);
        wait_for(&told, 1);
        assert!(!hold.is_unlocked());
        assert!(hold.with(|_| ()).is_none());
        std::thread::sleep(Duration::from_millis(120));
        assert_eq!(told.load(Ordering::SeqCst), 1);
        hold.unlock(Key(wiped.clone()));
        wait_for(&told, 2);
        assert_eq!(wiped.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn value_in_use_is_not_dropped() {
        let (hold, wiped, _) = held(Duration::from_millis(400));
        for _ in 0..4 {
            std::thread::sleep(Duration::from_millis(150));
            hold.touch();
        }
        assert!(hold.with(|_| std::thread::sleep(Duration::from_millis(900))).is_some());
        assert_eq!(wiped.load(Ordering::SeqCst), 0);
        assert!(hold.is_unlocked());
        wait_for(&wiped, 1);
    }

    #[test]
    fn looking_does_not_keep_it() {
        let (hold, wiped, told) = held(Duration::from_millis(300));
        let end = Instant::now() + Duration::from_secs(20);
        while hold.look(|_| ()).is_some() {
            assert!(Instant::now() < end, "looking counted as use");
        }
        assert_eq!(wiped.load(Ordering::SeqCst), 1);
        wait_for(&told, 1);
    }

    #[test]
    fn locked_value_is_dropped_at_once() {
        let (hold, wiped, told) = held(Duration::from_secs(600));
        assert!(hold.lock());
        assert_eq!(wiped.load(Ordering::SeqCst), 1);
        assert!(!hold.lock());
        hold.touch();
        assert!(!hold.is_unlocked());
        drop(hold);
        assert_eq!((wiped.load(Ordering::SeqCst), told.load(Ordering::SeqCst)), (1, 0));
    }

    #[test]
    fn dropped_hold_drops_what_it_holds() {
        let (hold, wiped, told) = held(Duration::from_secs(600));
        drop(hold);
        assert_eq!((wiped.load(Ordering::SeqCst), told.load(Ordering::SeqCst)), (1, 0));
    }

    #[test]
    fn shorter_time_takes_effect_at_once() {
        let (hold, wiped, _) = held(Duration::from_secs(600));
        hold.set_idle(Duration::from_millis(20));
        wait_for(&wiped, 1);
    }

    #[test]
    fn time_asleep_counts() {
        let (hold, wiped, told) = held(Duration::from_secs(600));
        // As if the wall clock had gone on for an hour while this process was stopped.
        hold.state().used.1 = SystemTime::now() - Duration::from_secs(3600);
        hold.touch();
        assert!(!hold.is_unlocked());
        assert!(hold.with(|_| ()).is_none());
        assert_eq!(wiped.load(Ordering::SeqCst), 1);
        // The thread sleeps until its next look; whoever found it due woke it to tell.
        wait_for(&told, 1);
    }

    #[test]
    fn use_that_panics_leaves_it_lockable() {
        let (hold, wiped, _) = held(Duration::from_secs(600));
        let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| hold.with(|_| panic!("in use"))));
        assert!(failed.is_err());
        assert!(hold.lock());
        assert_eq!(wiped.load(Ordering::SeqCst), 1);
    }
}
