//! How log lines get out: a thread of their own writes them, so that a log that cannot be written, or that nobody reads, loses
//! lines and holds nothing up.

use std::cell::Cell;
use std::io::{self, ErrorKind, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// So many bytes of lines may wait, and as many more may be with the thread; what comes beyond is lost, and counted.
const MOST_BYTES: usize = 512 * 1024;
/// After a write, lines gather for so long: under load, many are one write. One that comes in a quiet moment is written at once.
const GATHERING: Duration = Duration::from_millis(10);
/// So many bytes of lines do not wait for more.
const MANY_BYTES: usize = 64 * 1024;
/// Between two tries to write where the other end is not ready, and says so instead of letting us wait.
const NOT_READY: Duration = Duration::from_millis(20);

thread_local! {
    /// Whether this is the thread that writes: what it says of lost lines is never among them.
    static WRITES: Cell<bool> = const { Cell::new(false) };
}

/// Takes lines without ever waiting or failing; cloning shares it.
#[derive(Clone)]
pub struct Lines(Arc<Shared>);

struct Shared {
    queue: Mutex<Queue>,
    /// Notified when the thread has something to do.
    came: Condvar,
    /// Notified when some lines are written.
    written: Condvar,
}

#[derive(Default)]
struct Queue {
    bytes: Vec<u8>,
    /// As many bytes of lines as the thread sleeps for: to notify it for each line costs more than to write it.
    awaited: Option<usize>,
    /// Somebody waits until everything is written.
    is_urgent: bool,
    /// The thread is writing what it took.
    is_busy: bool,
    lost: u64,
}

impl Lines {
    /// Starts the thread that writes to `out` whatever is written here. `say_lost` is called on it when lines were lost and
    /// others can be written again: with their number, and why, where that is known.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(
        out: impl Write + Send + 'static,
        say_lost: impl Fn(u64, Option<&io::Error>) + Send + 'static,
    ) -> io::Result<Self> {
        Self::start_gathering(GATHERING, out, say_lost)
    }

    /// As [`Lines::start`], with how long lines gather after a write.
    fn start_gathering(
        gathering: Duration,
        out: impl Write + Send + 'static,
        say_lost: impl Fn(u64, Option<&io::Error>) + Send + 'static,
    ) -> io::Result<Self> {
        let (came, written) = (Condvar::new(), Condvar::new());
        let lines = Self(Arc::new(Shared { queue: Mutex::default(), came, written }));
        let (bytes, gathered) = (Vec::new(), Instant::now());
        let mut thread =
            Thread { lines: lines.clone(), out, gathering, gathered, bytes, is_within_line: false, failure: None };
        thread::Builder::new().name("log".to_owned()).spawn(move || {
            WRITES.set(true);
            loop {
                thread.write_some(&say_lost);
            }
        })?;
        Ok(lines)
    }

    /// Waits until everything is written, or for `patience`.
    pub fn flush_within(&self, patience: Duration) {
        let deadline = Instant::now() + patience;
        let mut queue = self.queue();
        while queue.is_busy || !queue.bytes.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            queue.is_urgent = true;
            self.0.came.notify_all();
            (queue, _) = self.0.written.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until lines have gathered, and takes them in place of these, which are written.
    fn take(&self, gathered: Instant, bytes: &mut Vec<u8>) {
        bytes.clear();
        bytes.shrink_to(MANY_BYTES);
        let mut queue = self.queue();
        while queue.bytes.len() < MANY_BYTES && !queue.is_urgent {
            let left = gathered.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            queue.awaited = Some(MANY_BYTES);
            (queue, _) = self.0.came.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner);
        }
        while queue.bytes.is_empty() {
            queue.awaited = Some(1);
            queue = self.0.came.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        (queue.awaited, queue.is_urgent, queue.is_busy) = (None, false, true);
        std::mem::swap(bytes, &mut queue.bytes);
    }
}

impl Write for Lines {
    /// Takes one whole line.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut queue = self.queue();
        if queue.bytes.len() + line.len() > MOST_BYTES && !WRITES.get() {
            queue.lost += 1;
            return Ok(line.len());
        }
        queue.bytes.extend_from_slice(line);
        if queue.awaited.is_some_and(|awaited| queue.bytes.len() >= awaited) {
            queue.awaited = None;
            drop(queue);
            self.0.came.notify_one();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What the thread knows.
struct Thread<W> {
    lines: Lines,
    out: W,
    gathering: Duration,
    /// When what came since the last write has gathered.
    gathered: Instant,
    /// What it took last.
    bytes: Vec<u8>,
    /// The last line was cut short by a failure.
    is_within_line: bool,
    /// Why lines were lost last.
    failure: Option<io::Error>,
}

impl<W: Write> Thread<W> {
    fn write_some(&mut self, say_lost: &impl Fn(u64, Option<&io::Error>)) {
        let mut bytes = std::mem::take(&mut self.bytes);
        self.lines.take(self.gathered, &mut bytes);
        let mut written = 0;
        let result = self.write(&bytes, &mut written);
        if let Some(last) = bytes[..written].last() {
            self.is_within_line = *last != b'\n';
        }
        let unwritten = bytes[written..].iter().filter(|byte| **byte == b'\n').count();
        let lost = {
            let mut queue = self.lines.queue();
            queue.lost += unwritten as u64;
            if result.is_ok() { std::mem::take(&mut queue.lost) } else { 0 }
        };
        match result {
            Err(error) => self.failure = Some(error),
            Ok(()) => {
                let failure = self.failure.take();
                if lost > 0 {
                    say_lost(lost, failure.as_ref());
                }
            }
        }
        (self.bytes, self.gathered) = (bytes, Instant::now() + self.gathering);
        self.lines.queue().is_busy = false;
        self.lines.0.written.notify_all();
    }

    fn write(&mut self, bytes: &[u8], written: &mut usize) -> io::Result<()> {
        if self.is_within_line {
            while self.write_ready(b"\n")? == 0 {}
            self.is_within_line = false;
        }
        while *written < bytes.len() {
            *written += self.write_ready(&bytes[*written..])?;
        }
        Ok(())
    }

    /// As much as goes out now; nothing where the other end is not ready yet.
    fn write_ready(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.out.write(bytes) {
            Ok(0) => Err(ErrorKind::WriteZero.into()),
            Ok(written) => Ok(written),
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(0),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                thread::sleep(NOT_READY);
                Ok(0)
            }
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    /// Answers each write as the test says, and keeps what it took.
    struct Out {
        answers: mpsc::Receiver<io::Result<usize>>,
        took: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Out {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let most = self.answers.recv().unwrap_or(Ok(usize::MAX))?;
            let taken = &bytes[..bytes.len().min(most)];
            self.took.lock().unwrap().extend_from_slice(taken);
            Ok(taken.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    type Answers = mpsc::Sender<io::Result<usize>>;
    type Lost = mpsc::Receiver<(u64, Option<ErrorKind>)>;

    fn start() -> (Lines, Answers, Arc<Mutex<Vec<u8>>>, Lost) {
        start_gathering(GATHERING)
    }

    fn start_gathering(gathering: Duration) -> (Lines, Answers, Arc<Mutex<Vec<u8>>>, Lost) {
        let ((answer, answers), (say, lost), took) = (mpsc::channel(), mpsc::channel(), Arc::default());
        let out = Out { answers, took: Arc::clone(&took) };
        let say_lost = move |count, error: Option<&io::Error>| {
            say.send((count, error.map(io::Error::kind))).unwrap();
        };
        (Lines::start_gathering(gathering, out, say_lost).unwrap(), answer, took, lost)
    }

    #[test]
    fn lines_that_cannot_be_written_are_counted_and_the_next_one_begins_a_line() {
        let (mut lines, answer, took, lost) = start();
        lines.write_all(b"one\n").unwrap();
        answer.send(Ok(2)).unwrap();
        answer.send(Err(ErrorKind::StorageFull.into())).unwrap();
        lines.flush_within(PATIENCE);
        lines.write_all(b"two\n").unwrap();
        answer.send(Err(ErrorKind::StorageFull.into())).unwrap();
        lines.flush_within(PATIENCE);
        drop(answer);
        lines.write_all(b"three\n").unwrap();
        assert_eq!(lost.recv_timeout(PATIENCE), Ok((2, Some(ErrorKind::StorageFull))));
        lines.flush_within(PATIENCE);
        assert_eq!(String::from_utf8_lossy(&took.lock().unwrap()), "on\nthree\n");
        assert!(lost.try_recv().is_err(), "said once");
    }

    #[test]
    fn a_line_in_a_quiet_moment_is_written_at_once_and_those_shortly_after_it_together() {
        let (mut lines, answer, took, _lost) = start_gathering(PATIENCE * 100);
        let wait_for = |bytes: usize| {
            while took.lock().unwrap().len() < bytes {
                thread::yield_now()
            }
        };
        answer.send(Ok(usize::MAX)).unwrap();
        lines.write_all(b"one\n").unwrap();
        wait_for(4);
        lines.write_all(b"two\n").unwrap();
        // Were it not to wait, it would be taken meanwhile.
        (0..10_000).for_each(|_| thread::yield_now());
        lines.write_all(b"three\n").unwrap();
        // Of a second write, nothing would come.
        answer.send(Ok(usize::MAX)).unwrap();
        answer.send(Ok(0)).unwrap();
        lines.flush_within(PATIENCE);
        assert_eq!(String::from_utf8_lossy(&took.lock().unwrap()), "one\ntwo\nthree\n");
        drop(answer);
        lines.write_all(&[b'x'; MANY_BYTES]).unwrap();
        wait_for(14);
    }

    #[test]
    fn an_end_that_is_not_ready_is_tried_again_and_loses_nothing() {
        let (mut lines, answer, took, lost) = start();
        answer.send(Err(ErrorKind::WouldBlock.into())).unwrap();
        answer.send(Err(ErrorKind::Interrupted.into())).unwrap();
        answer.send(Ok(1)).unwrap();
        drop(answer);
        lines.write_all(b"one\n").unwrap();
        lines.flush_within(PATIENCE);
        assert_eq!(took.lock().unwrap().as_slice(), b"one\n");
        assert!(lost.try_recv().is_err());
    }

    #[test]
    fn while_nobody_reads_no_more_is_kept_than_there_is_room_for_and_nobody_waits() {
        let (mut lines, answer, took, lost) = start();
        let line = [vec![b'x'; 1023], vec![b'\n']].concat();
        lines.write_all(b"first\n").unwrap();
        while !lines.queue().bytes.is_empty() {
            thread::yield_now();
        }
        (0..2048).for_each(|_| lines.write_all(&line).unwrap());
        lines.flush_within(Duration::ZERO);
        let kept = {
            let queue = lines.queue();
            (queue.bytes.len(), queue.lost)
        };
        assert_eq!(kept, (MOST_BYTES, 1536));
        drop(answer);
        assert_eq!(lost.recv_timeout(PATIENCE), Ok((1536, None)));
        lines.flush_within(PATIENCE);
        assert_eq!(took.lock().unwrap().len(), MOST_BYTES + b"first\n".len());
    }
}
