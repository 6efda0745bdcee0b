//! How a job sends its pings: code to be pasted, with the URL filled in. `tests/it/snippets.rs` runs what can be run. Pure.

use crate::monitor::expect::Expected;

/// A way to send the ping.
pub struct Snippet {
    /// Its name in the address and in the markup.
    pub key: &'static str,
    /// Its name for people.
    pub name: &'static str,
    /// The least that does.
    pub simple: Code,
    /// With the start of the run and how it ended.
    pub full: Code,
}

/// Code, ready to be pasted.
pub struct Code {
    /// The code.
    pub text: String,
    /// What to know about it.
    pub note: &'static str,
}

/// All snippets for a ping URL and the schedule of its job.
pub fn snippets(url: &str, expected: &Expected) -> Vec<Snippet> {
    let cron = cron_fields(expected);
    let code = |(text, note): (&str, &'static str)| Code {
        text: text.replace("{CURL}", CURL).replace("{CRON}", &cron).replace("{URL}", url),
        note,
    };
    TEMPLATES
        .iter()
        .map(|(key, name, simple, full)| Snippet {
            key,
            name,
            simple: code(*simple),
            full: code(*full),
        })
        .collect()
}

/// Gives up after ten seconds a try, rides out short network trouble, and prints nothing.
const CURL: &str = "curl -fsS -m 10 --retry 5 -o /dev/null";

type Template =
    (&'static str, &'static str, (&'static str, &'static str), (&'static str, &'static str));

const TEMPLATES: [Template; 6] = [
    (
        "curl",
        "curl",
        (
            "/path/to/job.sh && {CURL} {URL}",
            "The ping is sent only when the job exits 0. --retry 5 rides out short network trouble.",
        ),
        (
            "#!/bin/sh
url={URL}
rid=$(cat /proc/sys/kernel/random/uuid)
{CURL} \"$url/start?rid=$rid\"
/path/to/job.sh
status=$?
{CURL} \"$url/$status?rid=$rid\"
exit $status",
            "The rid ties the end to its start, so that runs that overlap are timed each on its own.",
        ),
    ),
    (
        "cron",
        "cron",
        (
            "# crontab -e
{CRON}  /path/to/job.sh && {CURL} {URL}",
            "The ping is sent only when the job exits 0. --retry 5 rides out short network trouble, so that you are not woken for it.",
        ),
        (
            "# crontab -e
{CRON}  {CURL} {URL}/start; /path/to/job.sh; {CURL} {URL}/$?",
            "0 is success; any other status alerts at once and stands in the log.",
        ),
    ),
    (
        "python",
        "Python",
        (
            "import requests

# at the end of the job
try:
    requests.get(
        \"{URL}\",
        timeout=10,
    )
except requests.RequestException as error:
    print(\"ping failed:\", error)",
            "A job must not fail because its monitor is away: so the exception is caught.",
        ),
        (
            "import uuid

import requests

from my_jobs import job  # what your job does

PING_URL = \"{URL}\"
RUN = {\"rid\": str(uuid.uuid4())}

def ping(signal=\"\", log=None):
    try:
        requests.post(PING_URL + signal, params=RUN, data=log, timeout=10)
    except requests.RequestException as error:
        print(\"ping failed:\", error)

ping(\"/start\")
try:
    job()
except Exception as error:
    ping(\"/fail\", repr(error).encode())
    raise
else:
    ping()",
            "What is posted is kept with the ping: the log links to it.",
        ),
    ),
    (
        "celery",
        "Celery",
        (
            "import requests
from celery.signals import task_success

from my_tasks import my_task

@task_success.connect(sender=my_task)
def ping(**_):
    try:
        requests.get(
            \"{URL}\",
            timeout=10,
        )
    except requests.RequestException as error:
        print(\"ping failed:\", error)",
            "Sent by the worker after each success of the task.",
        ),
        (
            "import requests
from celery.signals import task_failure, task_prerun, task_success

from my_tasks import my_task

PING_URL = \"{URL}\"

def ping(task_id, signal=\"\", log=None):
    try:
        requests.post(
            PING_URL + signal, params={\"rid\": task_id}, data=log, timeout=10
        )
    except requests.RequestException as error:
        print(\"ping failed:\", error)

@task_prerun.connect(sender=my_task)
def started(task_id, **_):
    ping(task_id, \"/start\")

@task_success.connect(sender=my_task)
def succeeded(sender, **_):
    ping(sender.request.id)

@task_failure.connect(sender=my_task)
def failed(task_id, exception, **_):
    ping(task_id, \"/fail\", repr(exception).encode())",
            "The id of a task is a UUID: as the rid it times each task on its own, however many workers there are.",
        ),
    ),
    (
        "systemd",
        "systemd",
        (
            "# /etc/systemd/system/job.service
[Service]
Type=oneshot
ExecStart=/path/to/job.sh
ExecStartPost=-/usr/bin/{CURL} {URL}",
            "With Type=oneshot the ping is sent once the job has exited 0. The dash keeps a failed ping from failing the unit.",
        ),
        (
            "# /etc/systemd/system/job.service
[Service]
Type=oneshot
ExecStartPre=-/usr/bin/{CURL} {URL}/start
ExecStart=/path/to/job.sh
ExecStopPost=-/bin/sh -c 'if [ \"$$EXIT_CODE\" = exited ]; then s=$$EXIT_STATUS; else s=fail; fi; {CURL} {URL}/$$s'",
            "ExecStopPost runs after a success as after a failure. A job that was killed has no exit status and counts as failed.",
        ),
    ),
    (
        "github",
        "GitHub Actions",
        (
            "# the last step of the job
- name: Tell Watchbell
  if: success()
  run: {CURL} {URL}",
            "Whoever reads the workflow reads the {URL}: in a public repository keep it in a secret.",
        ),
        (
            "steps:
  - name: Tell Watchbell of the start
    run: {CURL} {URL}/start
  - name: The job
    run: /path/to/job.sh
  - name: Tell Watchbell of the end
    if: always()
    run: {CURL} {URL}/${{ job.status == 'success' && '0' || 'fail' }}",
            "always() sends the end of failed and cancelled runs too.",
        ),
    ),
];

/// The schedule as a crontab has it: the job's own, or the one that fits its period.
fn cron_fields(expected: &Expected) -> String {
    match expected {
        Expected::At(schedule) => schedule.expression().to_owned(),
        Expected::Every { period_seconds } => {
            let minutes = (period_seconds / 60).max(1);
            match minutes {
                1 => "* * * * *".to_owned(),
                2..60 if 60 % minutes == 0 => format!("*/{minutes} * * * *"),
                1440 => "30 4 * * *".to_owned(),
                10_080 => "30 4 * * 1".to_owned(),
                120..1440 if 1440 % minutes == 0 && minutes.is_multiple_of(60) => {
                    format!("5 */{} * * *", minutes / 60)
                }
                _ => "5 * * * *".to_owned(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_snippet_has_the_url_and_no_placeholder() {
        let url = "https://up.example/api/heartbeats/x/ping";
        for snippet in snippets(url, &Expected::Every { period_seconds: 3600 }) {
            for code in [&snippet.simple, &snippet.full] {
                assert!(code.text.contains(url), "{}", code.text);
                for left in ["{URL}", "{CURL}", "{CRON}"] {
                    assert!(!code.text.contains(left), "{}", code.text);
                }
            }
        }
    }

    #[test]
    fn cron_lines_fit_the_schedule() {
        for (seconds, line) in [
            (1, "* * * * *"),
            (300, "*/5 * * * *"),
            (3600, "5 * * * *"),
            (7200, "5 */2 * * *"),
            (86_400, "30 4 * * *"),
            (604_800, "30 4 * * 1"),
            (420, "5 * * * *"),
        ] {
            assert_eq!(cron_fields(&Expected::Every { period_seconds: seconds }), line);
        }
    }
}
