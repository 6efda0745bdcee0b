//! The pages of probes and regions as a browser without script uses them, and who may do what.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::time::Duration;

use serde_json::{Value, json};
use watchbell::account::Role;

use crate::support::api::{Answer, Api, START};
use crate::support::person::Person;

fn has(answer: &Answer, wanted: &[&str]) {
    for words in wanted {
        assert!(answer.text.contains(words), "{words} in {}", answer.text);
    }
}

/// The token that a page shows.
fn token_in(answer: &Answer) -> String {
    let (_, after) = answer.text.split_once("<code id=\"secret\">").unwrap();
    after.split('<').next().unwrap().to_owned()
}

async fn poll(api: &Api, token: &str) -> u16 {
    let load = json!({"monitors": 0, "in_flight": 0, "waiting": 0, "spooled": 0, "dropped": 0,
        "lateness_p99_ms": 0});
    let body = json!({"version": 1, "instance": "0198c0de-0000-7000-8000-000000000001",
        "program": "9.9.9", "epoch": null, "revision": 0, "clock": START.0, "latency_ms": 3,
        "wait_seconds": 0, "load": load});
    Api::answer(api.request("POST", "/api/probe/v1/poll").bearer_auth(token).json(&body))
        .await
        .status
        .as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_is_made_shown_once_turned_off_and_deleted_by_forms() {
    let api = Api::start().await;
    let admin = Person::made(&api, "admin@example.com", Role::Admin).await;
    has(&admin.get("/probes").await, &["This server", "New probe", "from this server alone"]);
    let wrong = admin.post("/probes", &[("region", "local"), ("name", "")]).await;
    assert_eq!(wrong.status, 422);
    has(&wrong, &["The region is the server", "value=\"local\""]);

    let odd = admin.post("/probes", &[("region", "/../?a=b"), ("name", "")]).await;
    assert_eq!(odd.status, 422);
    has(&odd, &["The region must have only letters, digits", "such as eu-west; it has /."]);

    let made = admin.post("/probes", &[("region", "eu-west"), ("name", "fra-1")]).await;
    has(&made, &["Copy the token of fra-1 now", "Never came", "watchbell probe --server"]);
    let token = token_in(&made);
    let page = admin.get("/probes/1").await;
    has(&page, &["<dt>Checks under way</dt><dd>–</dd>", "<dt>Clock</dt><dd>–</dd>"]);
    assert_eq!(poll(&api, &token).await, 200);
    let listed = admin.get("/probes").await;
    has(&listed, &["fra-1", "Online", "9.9.9", "0 monitors", "href=\"/probes/1\""]);
    let page = admin.get("/probes/1").await;
    has(&page, &["fra-1", "Online", "Checks from eu-west", "9.9.9", "3 ms", "Nothing yet"]);
    has(&page, &["0 ms ahead", "Checks under way", "/probes/1/rotate", "/probes/1/delete"]);
    assert!(!page.text.contains(&token));
    assert_eq!(admin.get("/probes/2").await.status, 404);
    assert!(!listed.text.contains(&token), "shown once");

    has(&admin.get("/probes/1/rotate").await, &["Give fra-1 a new token?"]);
    let rotated = admin.post("/probes/1/rotate", &[]).await;
    assert_eq!(poll(&api, &token).await, 401);
    let token = token_in(&rotated);
    let path = &rotated.path;
    assert!(path.starts_with("/probes/1?shown="), "to load it anew rotates nothing: {path}");
    assert!(!admin.get(path).await.text.contains(&token), "shown once");
    assert_eq!(poll(&api, &token).await, 200);
    has(&admin.post("/probes/1/enabled", &[("enabled", "0")]).await, &["Disabled"]);
    assert_eq!(poll(&api, &token).await, 403);
    has(&admin.post("/probes/1/enabled", &[("enabled", "1")]).await, &["Online"]);

    let fields = json!({"regions": ["local", "eu-west"]});
    let id = api.monitor(fields).await;
    has(&admin.get("/probes/1/delete").await, &["Delete the probe fra-1?"]);
    let unnamed = admin.post("/probes/1/delete", &[("name", "fra-2")]).await;
    assert_eq!(unnamed.status, 422);
    has(&unnamed, &["The name is another one", "value=\"fra-2\""]);
    let used = admin.post("/probes/1/delete", &[("name", " fra-1 ")]).await;
    assert_eq!(used.status, 409);
    has(&used, &["1 monitor is checked from eu-west"]);
    let path = format!("/api/v1/monitors/{id}");
    api.admin("DELETE", &path, None).await;
    let gone = admin.post("/probes/1/delete", &[("name", "fra-1")]).await;
    assert_eq!(gone.status, 200);
    assert!(!gone.text.contains("/probes/1/rotate"));
    assert_eq!(poll(&api, &token).await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_admin_changes_probes_and_only_from_our_own_pages() {
    let api = Api::start().await;
    let admin = Person::made(&api, "admin@example.com", Role::Admin).await;
    admin.post("/probes", &[("region", "eu-west")]).await;
    for (role, email) in [(Role::Viewer, "v@example.com"), (Role::Editor, "e@example.com")] {
        let person = Person::made(&api, email, role).await;
        let page = person.get("/probes").await;
        has(&page, &["eu-west"]);
        assert!(!page.text.contains("New probe"));
        let page = person.get("/probes/1").await;
        has(&page, &["Never came"]);
        assert!(
            !page.text.contains("/probes/1/rotate") && !page.text.contains("/probes/1/enabled")
        );
        for path in ["/probes", "/probes/1/enabled", "/probes/1/rotate", "/probes/1/delete"] {
            assert_eq!(person.post(path, &[("region", "x")]).await.status, 403, "{role} {path}");
        }
    }
    let foreign =
        admin.request("POST", "/probes/1/delete").header("origin", "https://evil.example");
    let foreign = foreign.header("sec-fetch-site", "cross-site").form(&[("x", "y")]);
    assert_eq!(Api::answer(foreign).await.status, 403);
    let left = api.admin("GET", "/api/v1/probes", None).await.data(200);
    assert_eq!(left.as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn regions_are_chosen_in_the_form_and_stand_on_the_page() {
    let api = Api::start().await;
    let editor = Person::made(&api, "e@example.com", Role::Editor).await;
    let form = editor.get("/monitors/new?type=http").await;
    assert!(!form.text.contains("name=\"regions\""), "there is nothing to choose");
    for region in ["eu-west", "us-east"] {
        api.admin("POST", "/api/v1/probes", Some(json!({"region": region}))).await.data(201);
    }
    has(&editor.get("/monitors/new?type=tcp").await, &["name=\"regions\" value=\"us-east\""]);
    let beat = editor.get("/monitors/new?type=heartbeat").await;
    assert!(!beat.text.contains("name=\"regions\""), "a heartbeat is not checked");

    let url = api.silent.clone();
    let pairs = |quorum: &'static str| {
        vec![
            ("type", "http"),
            ("url", url.as_str()),
            ("regions_shown", "1"),
            ("regions", "eu-west"),
            ("regions", "us-east"),
            ("region_quorum", quorum),
        ]
    };
    let wrong = editor.post("/monitors", &pairs("3")).await;
    assert_eq!(wrong.status, 422);
    has(&wrong, &["The number of regions that must agree is 3", "value=\"us-east\" checked"]);
    let page = editor.post("/monitors", &pairs("1")).await;
    has(&page, &["down when 1 of 2 say so", "eu-west", "none yet"]);
    let shown = api.admin("GET", "/api/v1/monitors/1", None).await.data(200);
    assert_eq!(shown["regions"], json!(["eu-west", "us-east"]));
    assert_eq!(shown["region_quorum"], 1);
    has(
        &editor.get("/monitors/1/edit").await,
        &["value=\"eu-west\" checked", "<option selected>1</option>", "1 must agree"],
    );
    // It is checked from elsewhere: nobody waits for a check that does not come.
    let refused = api.admin("POST", "/api/v1/monitors/1/check", None).await.problem(409);
    assert!(
        refused["detail"].as_str().unwrap().contains("eu-west, us-east and not from this server")
    );

    // A form without the choice keeps it; without a tick it is checked from here.
    editor.post("/monitors/1", &[("url", &url), ("name", "kept")]).await;
    let kept = api.admin("GET", "/api/v1/monitors/1", None).await.data(200);
    assert_eq!((&kept["name"], &kept["regions"]), (&json!("kept"), &shown["regions"]));
    editor.post("/monitors/1", &[("url", &url), ("regions_shown", "1")]).await;
    let own = api.admin("GET", "/api/v1/monitors/1", None).await.data(200);
    assert_eq!((&own["regions"], &own["region_states"]), (&json!(["local"]), &json!([])));
    let whole: Value = own.clone();
    api.admin("PATCH", "/api/v1/monitors/1", Some(whole)).await.data(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_shows_what_is_checked_from_a_region() {
    let api = Api::start().await;
    let person = Person::made(&api, "editor@example.com", Role::Editor).await;
    let url = "http://192.0.2.1/";
    api.admin("POST", "/api/v1/monitors", Some(json!({"url": url, "name": "here alone"})))
        .await
        .data(201);
    assert!(!person.get("/monitors").await.text.contains("name=\"region\""), "there is one region");
    api.admin("POST", "/api/v1/probes", Some(json!({"region": "eu, west"}))).await.data(201);
    let both = json!({"url": url, "name": "from both", "regions": ["local", "eu, west"]});
    let both = api.admin("POST", "/api/v1/monitors", Some(both)).await.data(201);
    let there = json!({"url": url, "name": "from there", "regions": ["eu, west"]});
    api.admin("POST", "/api/v1/monitors", Some(there)).await.data(201);
    api.admin("POST", "/api/v1/heartbeats", Some(json!({"name": "a job", "period_seconds": 60})))
        .await
        .data(201);

    let names = async |query: &str| {
        let answer = api.admin("GET", &format!("/api/v1/monitors?{query}"), None).await;
        let listed = answer.data(200).as_array().unwrap().clone();
        let of = |monitor: &Value| monitor["name"].as_str().unwrap().to_owned();
        listed.iter().map(of).collect::<Vec<_>>()
    };
    assert_eq!(names("region=local").await, ["here alone", "from both"]);
    assert_eq!(names("region=eu,+west").await, ["from both", "from there"]);
    assert_eq!(names("region=nowhere").await, Vec::<String>::new());
    let page = person.get("/monitors?region=eu,+west").await;
    has(&page, &["Region: any", "Region: eu, west", "2 of 4 match", "from both", "from there"]);
    assert!(!page.text.contains("here alone"));

    let path = format!("/api/v1/monitors/{}", both["id"]);
    api.admin("PATCH", &path, Some(json!({"regions": ["local"]}))).await.data(200);
    assert_eq!(names("region=eu,+west").await, ["from there"]);
    assert_eq!(names("region=local").await, ["here alone", "from both"]);
}

/// A probe reports a check that began `seconds` after the start.
async fn report(api: &Api, (region, token): (&str, &str), seconds: i64, is_well: bool) {
    let result = json!({"region": region, "started_at": START.plus_ms(seconds * 1000).to_rfc3339(),
        "verdict": if is_well { "up" } else { "down" }, "status_code": if is_well { 200 } else { 503 },
        "phases": {"dns": null, "connect": 1, "tls": null, "first_byte": 2, "total": 5},
        "error": (!is_well).then(|| json!({"kind": "status", "text": "status 503"})),
        "failed_checks": {}, "certificate": null, "answer": (!is_well).then(|| json!(
            {"head": "HTTP/1.1 503 No\nserver: x", "body": "<script>", "is_cut": false}))});
    let body = json!({"version": 1, "instance": "0198c0de-0000-7000-8000-000000000001",
        "results": [{"monitor_id": 1, "result": result}]});
    let request = api.request("POST", "/api/probe/v1/results").bearer_auth(token).json(&body);
    assert_eq!(Api::answer(request).await.json()["accepted"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_shows_what_it_found_and_hands_in_answers_that_are_not_well() {
    let api = Api::start().await;
    let person = Person::made(&api, "viewer@example.com", Role::Viewer).await;
    let made = api.admin("POST", "/api/v1/probes", Some(json!({"region": "eu-west"}))).await;
    let token = made.data(201)["token"].as_str().unwrap().to_owned();
    let fields = json!({"url": api.silent, "name": "Shop <b>", "regions": ["eu-west"]});
    api.admin("POST", "/api/v1/monitors", Some(fields)).await.data(201);
    has(&person.get("/probes/1").await, &["Shop &#60;b&#62;", "none yet", "1 monitor, as seen"]);
    report(&api, ("eu-west", &token), 0, false).await;
    has(&person.get("/probes/1").await, &["Confirming"]);
    let found = api.admin("GET", "/api/v1/monitors/1/results", None).await.data(200);
    let open = format!("/monitors/1/checks?open={}", found[0]["id"]);
    has(&person.get(&open).await, &["HTTP/1.1 503 No\nserver: x", "&#60;script&#62;"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_chart_has_a_curve_for_each_region() {
    let api = Api::start().await;
    let person = Person::made(&api, "viewer@example.com", Role::Viewer).await;
    let mut tokens = Vec::new();
    for region in ["eu-west", "us-east"] {
        let made = api.admin("POST", "/api/v1/probes", Some(json!({"region": region}))).await;
        tokens.push(made.data(201)["token"].as_str().unwrap().to_owned());
    }
    let (eu, us) = (("eu-west", &*tokens[0]), ("us-east", &*tokens[1]));
    let fields = json!({"url": api.silent, "regions": ["us-east", "eu-west"]});
    api.admin("POST", "/api/v1/monitors", Some(fields)).await.data(201);
    report(&api, us, 0, true).await;
    report(&api, us, 10, true).await;
    assert!(!person.get("/monitors/1").await.text.contains("data-name"), "one region has spoken");
    report(&api, eu, 10, true).await;
    report(&api, eu, 20, false).await;
    let second = "<span data-name=\"us-east\" data-ink=\"series-2\" data-end=\"5 ms\">";
    let page = person.get("/monitors/1").await;
    has(&page, &[second, "<path class=\"curve series-2\"", "<th class=\"right\">eu-west</th>"]);
    has(&page, &["data-each=\"5,5\"", "data-each=\",\""]);
    has(&page, &["us-east <tspan>5 ms</tspan>", "eu-west <tspan class=\"bad\">× 503</tspan>"]);

    // The other curves and the other spans are links, each of which keeps the other's choice.
    let to_phases = "<a href=\"?range=3h&#38;series=phase#response\">Phases</a>";
    has(&page, &["<a href=\"?range=3h#response\" aria-current=\"true\">Regions</a>", to_phases]);
    let phases = person.get("/monitors/1?range=1h&series=phase").await;
    has(&phases, &["<path class=\"curve phase-4\"", "<th class=\"right\">Waiting</th>"]);
    has(&phases, &["Waiting <tspan>2 ms</tspan>", "Download <tspan>2 ms</tspan>"]);
    has(
        &phases,
        &[
            "<a href=\"?range=1h#response\">Regions</a>",
            "<a href=\"?range=24h&#38;series=phase#response\">",
        ],
    );
    has(&phases, &["1 of 4 checks failed"]);
    let week = person.get("/monitors/1?range=7d&series=phase").await;
    assert!(!week.text.contains(">Phases</a>"), "a roll-up is of all regions and of whole checks");
    let other = person.get("/monitors/1?series=%22%3E").await;
    has(&other, &[to_phases]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_page_hears_that_a_probe_was_heard_of() {
    let api = Api::start().await;
    let viewer = Person::made(&api, "v@example.com", Role::Viewer).await;
    has(&viewer.get("/probes").await, &["data-part=\"list\"", "data-probes"]);
    let made = api.admin("POST", "/api/v1/probes", Some(json!({"region": "eu-west"}))).await;
    let token = made.data(201)["token"].as_str().unwrap().to_owned();
    let mut stream = viewer.request("GET", "/events?probes=1").send().await.unwrap();
    let mut until = async |words: &str| {
        let mut text = String::new();
        let reading = async {
            while !text.contains(words) {
                let chunk = stream.chunk().await.unwrap().unwrap();
                text.push_str(&String::from_utf8_lossy(&chunk));
            }
        };
        let ticking = async {
            loop {
                api.clock.advance_ms(250);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let reading = tokio::time::timeout(Duration::from_secs(60), reading);
        tokio::select! { came = reading => came.unwrap(), () = ticking => {} }
    };
    // The counts come at once: from then on the stream is known to run.
    until("event: counts").await;
    assert_eq!(poll(&api, &token).await, 200);
    until("event: probes").await;
}
