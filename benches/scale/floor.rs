//! The floor of checks: bare reqwest GETs, a new connection each, at the same pace to the same target.

use std::process::Command;
use std::time::{Duration, Instant};

use super::process::Process;
use super::target::url;

/// Before its processor time counts.
const WARM_UP: Duration = Duration::from_secs(2);
/// How many addresses are asked in turn.
const ADDRESSES: u64 = 10_000;

/// The processor time of a bare GET in microseconds, of a process that makes them for so many seconds.
pub fn bare_gets(port: &str, a_second: u64, seconds: u64) -> f64 {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["floor", port, &a_second.to_string(), &seconds.to_string()])
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
}

/// That process: prints the processor time of a GET in microseconds.
pub async fn run(port: &str, a_second: &str, seconds: &str) {
    let pause = Duration::from_secs(1) / a_second.parse::<u32>().unwrap();
    let measured = Duration::from_secs(seconds.parse().unwrap());
    let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().unwrap();
    let own = Process(std::process::id());
    let mut ticks = tokio::time::interval(pause);
    let mut gets = tokio::task::JoinSet::new();
    let (mut begun, mut cpu, mut count) = (Instant::now(), own.cpu(), 0_u64);
    let mut is_warm = false;
    for n in 0_u64.. {
        ticks.tick().await;
        if !is_warm && begun.elapsed() > WARM_UP {
            (begun, cpu, count, is_warm) = (Instant::now(), own.cpu(), 0, true);
        }
        if is_warm && begun.elapsed() > measured {
            break;
        }
        let (client, url) = (client.clone(), url(port, (n % ADDRESSES) as usize));
        gets.spawn(async move {
            assert_eq!(client.get(url).send().await.unwrap().text().await.unwrap(), "ok");
        });
        count += 1;
        while gets.try_join_next().is_some() {}
    }
    while gets.join_next().await.is_some() {}
    println!("{}", (own.cpu() - cpu).as_secs_f64() * 1e6 / count as f64);
}
