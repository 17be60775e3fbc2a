//! What a daemon costs that has nothing to do: how soon it answers, its memory, how often it wakes up.

use std::time::Duration;

use serde::Serialize;

use crate::daemon::{Daemon, Erp};
use crate::options::Options;
use crate::receiver::Reaction;
use crate::scene::{Receiver, folder};
use crate::table::Spread;

/// What belongs to the start is over by then.
const SETTLED: Duration = Duration::from_secs(10);
/// So long it is watched.
const WATCHED: Duration = Duration::from_secs(20);

#[derive(Debug, Serialize)]
pub struct Rest {
    /// Of so many starts as there are rounds, on an empty store, the median.
    pub started_in_ms: f64,
    pub resident_mib: f64,
    /// Of it what is not of a file, such as the program itself.
    pub anonymous_mib: f64,
    pub threads: usize,
    /// Of all its threads.
    pub wake_ups_per_second: f64,
    pub processor_ms_per_second: f64,
}

pub fn measure(options: &Options) -> Rest {
    let mut starts = Vec::new();
    let mut last = None;
    for _ in 0..options.rounds {
        drop(last.take());
        let folder = folder();
        let receiver = Receiver::start(folder.path(), Reaction::Take);
        let channel = Erp { name: "erp", receiver: receiver.address, at_once: None };
        let daemon = Daemon::start(&options.daemon, folder.path(), &[channel]);
        starts.push(daemon.started_in.as_secs_f64() * 1e3);
        last = Some((daemon, receiver, folder));
    }
    let (daemon, ..) = last.expect("one round at least");
    std::thread::sleep(SETTLED);
    let (wake_ups, processor) = (daemon.running.wake_ups(), daemon.running.processor());
    std::thread::sleep(WATCHED);
    let rest = Rest {
        started_in_ms: Spread::of(&starts, |start| *start).median,
        resident_mib: daemon.running.memory_mib("VmRSS"),
        anonymous_mib: daemon.running.memory_mib("RssAnon"),
        threads: daemon.running.threads(),
        wake_ups_per_second: daemon.running.wake_ups().saturating_sub(wake_ups) as f64 / WATCHED.as_secs_f64(),
        processor_ms_per_second: (daemon.running.processor() - processor) * 1e3 / WATCHED.as_secs_f64(),
    };
    println!(
        "\nat rest: first answer after {:.0} ms; {:.1} MiB resident, {:.1} MiB of them its own data; {} threads, {:.1} wake-ups \
         and {:.2} ms of processor a second",
        rest.started_in_ms,
        rest.resident_mib,
        rest.anonymous_mib,
        rest.threads,
        rest.wake_ups_per_second,
        rest.processor_ms_per_second,
    );
    rest
}
