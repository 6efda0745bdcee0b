//! A process as the kernel sees it: its memory, its processor time, what it wrote, how often it woke.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A process, by its number.
pub struct Process(pub u32);

impl Process {
    fn proc(&self, file: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/{file}", self.0)).unwrap()
    }

    /// A file of each of its threads; of one that ends meanwhile it is empty.
    fn of_threads(&self, file: &str) -> Vec<String> {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.0)).unwrap();
        let read = |path: std::path::PathBuf| std::fs::read_to_string(path).unwrap_or_default();
        threads.map(|thread| read(thread.unwrap().path().join(file))).collect()
    }

    /// Its memory in MB.
    pub fn rss_mb(&self) -> f64 {
        number(&self.proc("status"), "VmRSS:") / 1024.0
    }

    /// The most that it ever had.
    pub fn rss_max_mb(&self) -> f64 {
        number(&self.proc("status"), "VmHWM:") / 1024.0
    }

    /// Bytes that it handed to the disk.
    pub fn written(&self) -> f64 {
        number(&self.proc("io"), "write_bytes:")
    }

    /// How often its threads gave up the processor to wait, since they began.
    pub fn waits(&self) -> f64 {
        let threads = self.of_threads("status");
        let alive = threads.iter().filter(|status| !status.is_empty());
        alive.map(|status| number(status, "voluntary_ctxt_switches:")).sum()
    }

    /// What all its threads have run, to the nanosecond; of a thread that ended it is lost.
    pub fn cpu(&self) -> Duration {
        let run =
            |text: &String| text.split_whitespace().next().map_or(0, |ns| ns.parse().unwrap());
        Duration::from_nanos(self.of_threads("schedstat").iter().map(run).sum())
    }

    /// The share of a processor that it uses during `span`, in percent.
    pub async fn cpu_percent(&self, span: Duration) -> f64 {
        let (before, begun) = (self.cpu(), Instant::now());
        tokio::time::sleep(span).await;
        let used = self.cpu().saturating_sub(before).as_secs_f64();
        used / begun.elapsed().as_secs_f64() * 100.0
    }

    /// Asks it to stop, without waiting.
    pub fn ask_to_stop(&self) {
        Command::new("kill").arg(self.0.to_string()).status().unwrap();
    }
}

fn number(text: &str, name: &str) -> f64 {
    let line = text.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Starts a process that prints one line when it is ready; gives its last word.
pub fn start(command: &mut Command) -> (Child, String) {
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines.next().unwrap().unwrap();
    // Whatever else it prints is read, so that it never waits.
    std::thread::spawn(move || lines.for_each(drop));
    (child, line.split_whitespace().last().unwrap().to_owned())
}
