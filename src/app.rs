//! The composition root: [`App::build`] opens the database and binds the port, [`App::run`] runs until it is told to stop.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use actix_web::web;
use tokio::sync::{Notify, broadcast, mpsc};
use tokio_util::sync::CancellationToken;

use crate::account::login::Logins;
use crate::account::{Role, setup, user};
use crate::base_url::BaseUrl;
use crate::checker::Engine;
use crate::checker::ingest::{Ingest, Outlets};
use crate::checker::judge::{Judge, RegionWatch};
use crate::checker::run::{Checker, Command};
use crate::checker::trial::Trials;
use crate::checker::watch::Watcher;
use crate::cli::CliError;
use crate::clock::{SharedClock, SystemClock};
use crate::config::{Checked, Config};
use crate::notify::carrier::ATTEMPT_LIMIT;
use crate::notify::outbox::{Sender, SenderConfig};
use crate::probe::{Canaries, Checks, GuardedResolver, Prober, SystemCanaries};
use crate::region::hub::Hub;
use crate::region::liveness::Liveness;
use crate::report::retention::Retention;
use crate::seal::Sealer;
use crate::server_settings::ServerSettings;
use crate::store::open::ServerLock;
use crate::store::writer::Writer;
use crate::store::{Db, windows};
use crate::supervise::{STOP_LIMIT, Supervisor};
use crate::web::server;
use crate::web::state::AppState;

/// How many changes a page that reads slowly may lag behind before it loads anew.
const LIVE_BACKLOG: usize = 1024;

/// What tests put in the place of the real thing.
pub struct Seams {
    /// The time.
    pub clock: SharedClock,
    /// What tells "me" from "them"; those of the settings unless given.
    pub canaries: Option<Arc<dyn Canaries>>,
}

impl Default for Seams {
    fn default() -> Self {
        Self { clock: Arc::new(SystemClock), canaries: None }
    }
}

/// A server that is ready to run.
pub struct App {
    listener: TcpListener,
    address: SocketAddr,
    state: web::Data<AppState>,
    setup_link: Option<String>,
    supervisor: Supervisor,
    checker: Checker,
    region_watch: RegionWatch,
    commands: mpsc::UnboundedReceiver<Command>,
    watcher: Watcher,
    liveness: Liveness,
    sender: Sender,
    retention: Retention,
    _lock: Option<ServerLock>,
}

impl App {
    /// Opens the database, binds the port and makes everything ready. Nothing runs yet but the writer.
    ///
    /// # Errors
    /// One line that names what is in the way.
    pub async fn build(config: &Config, seams: Seams) -> Result<Self, CliError> {
        let checked = config.check().map_err(CliError::Usage)?;
        let lock = lock(&checked)?;
        let db = Db::open(&config.database_url).await.map_err(|error| {
            CliError::Usage(format!("cannot open {}: {error}", config.database_name()))
        })?;
        let sealer = sealer(config, &checked)?;
        check_key(&db, &sealer).await?;
        let (listener, address) = bind(&config.listen)?;
        let given = config.base_url.as_ref().map(url::Url::as_str);
        let base_url = BaseUrl::load(&db, given, address).await?;
        let settings = ServerSettings::load(&db, &sealer, config, base_url.clone()).await?;
        let settings = Arc::new(settings);
        let logins = Logins::default();
        first_admin(config, &db, &logins, &seams.clock).await?;
        let setup_link = setup::issue(&db).await?.map(|token| setup::link(&base_url.get(), &token));

        let supervisor = Supervisor::new(CancellationToken::new());
        let prober = Prober::new(checked.egress.clone())
            .map_err(|error| CliError::Failed(format!("cannot make checks: {error}")))?;
        if let Some(advice) = prober.icmp_refusal() {
            tracing::warn!("{advice}; monitors of the type icmp are unknown until then");
        }
        let sender = Sender::new(SenderConfig {
            db: db.clone(),
            sealer: sealer.clone(),
            clock: seams.clock.clone(),
            supervisor: supervisor.clone(),
            resolver: GuardedResolver::new(Arc::new(checked.egress.clone())),
            base_url: {
                let base_url = base_url.clone();
                Arc::new(move || base_url.get())
            },
            smtp: {
                let settings = settings.clone();
                Arc::new(move || settings.smtp())
            },
            schedule: checked.retry,
            attempt_limit: ATTEMPT_LIMIT,
            chance: Arc::new(rand::random::<f64>),
        })
        .map_err(|error| CliError::Failed(format!("cannot send alerts: {error}")))?;

        let (commands, command_queue) = mpsc::unbounded_channel();
        let (live, _) = broadcast::channel(LIVE_BACKLOG);
        let hub = Hub::new(&config.region);
        let outlets = Outlets {
            commands: commands.clone(),
            hub: hub.clone(),
            live: live.clone(),
            sender: sender.wake(),
            watch: Arc::new(Notify::new()),
            watch_wakes_at: Arc::new(AtomicI64::new(i64::MAX)),
            rests: Arc::default(),
        };
        let ingest = Ingest::new(&db, seams.clock.clone(), sealer.clone(), outlets.clone());
        let (writer, writing) = Writer::new(db.clone(), ingest);
        supervisor.spawn("writer", writing);
        let canaries =
            seams.canaries.unwrap_or_else(|| Arc::new(SystemCanaries::new(settings.canary_list())));
        settings.watch_canaries(canaries.clone());
        let (judge, region_watch) = Judge::new(
            &db,
            canaries,
            seams.clock.clone(),
            writer.clone(),
            commands.clone(),
            config.region.clone(),
        )
        .await?;
        let watcher = Watcher {
            cut_off: region_watch.cut_off_since(),
            clock: seams.clock.clone(),
            db: db.clone(),
            writer: writer.clone(),
            commands: commands.clone(),
            live: live.clone(),
            wake: outlets.watch.clone(),
            wakes_at: outlets.watch_wakes_at.clone(),
        };
        let liveness = Liveness {
            clock: seams.clock.clone(),
            db: db.clone(),
            writer: writer.clone(),
            hub: hub.clone(),
            cut_off: region_watch.cut_off_since(),
        };
        let trials = Trials::new(prober.clone(), seams.clock.clone(), config.region.clone());
        let checker = Checker {
            clock: seams.clock.clone(),
            prober: Arc::new(prober),
            judge,
            records: Arc::new(writer.clone()),
            region: config.region.clone(),
            permits: usize::try_from(config.check_permits).unwrap_or(usize::MAX),
            meter: Arc::default(),
        };
        let engine =
            Engine::new(writer, commands, outlets, db.clone(), seams.clock.clone(), &config.region);
        let state = web::Data::new(AppState {
            db,
            clock: seams.clock,
            engine,
            trials,
            sealer,
            region: config.region.clone(),
            hub,
            base_url,
            trusted_proxies: config.trusted_proxies.clone(),
            outbox: sender.clone(),
            settings: settings.clone(),
            live,
            stop: supervisor.stop().clone(),
            meter: checker.meter.clone(),
            metrics_public: config.metrics_public,
            logins,
            token_limit: Default::default(),
            undo: Default::default(),
            shown_once: Default::default(),
        });
        let retention = Retention { settings, pings: config.ping_log };
        Ok(Self {
            listener,
            address,
            state,
            setup_link,
            supervisor,
            checker,
            region_watch,
            commands: command_queue,
            watcher,
            liveness,
            sender,
            retention,
            _lock: lock,
        })
    }

    /// The address that the port is bound to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The database, for tests that look behind the scenes.
    pub fn db(&self) -> Db {
        self.state.db.clone()
    }

    /// The handle through which monitors, incidents and windows are changed, for tests and benchmarks.
    pub fn engine(&self) -> Engine {
        self.state.engine.clone()
    }

    /// Lets `checks` be made in the place of real ones: a demonstration contacts nobody.
    pub fn with_checks(mut self, checks: Arc<dyn Checks>) -> Self {
        self.checker.prober = checks;
        self
    }

    /// What links start with.
    pub fn base_url(&self) -> String {
        self.state.base_url.get()
    }

    /// The one-time link that makes the first user, while there is none.
    pub fn setup_link(&self) -> Option<&str> {
        self.setup_link.as_deref()
    }

    /// Runs until `stop`; then stops accepting, lets running checks and deliveries end (at most 10 s), and flushes.
    ///
    /// # Errors
    /// When a part that the server needs has died.
    pub async fn run(self, stop: CancellationToken) -> Result<(), CliError> {
        let Self { supervisor, state, watcher, .. } = self;
        let db = state.db.clone();
        watcher.account_for_absence().await?;
        for (window, reason) in windows::unreadable(&mut db.read().await?.conn()).await? {
            let what = "the schedule of a maintenance window cannot be read: it does not repeat until it is saved anew";
            tracing::error!(window, reason, "{what}");
        }
        let watched = state
            .engine
            .load_checked()
            .await
            .map_err(|error| CliError::Failed(error.to_string()))?;
        state.hub.load(&watched);
        let stopping = supervisor.stop().clone();
        let clock = state.clock.clone();
        supervisor.spawn("checker", self.checker.run(watched, self.commands, stopping.clone()));
        supervisor.spawn("region watch", self.region_watch.run(stopping.clone()));
        supervisor.spawn("watcher", watcher.run(stopping.clone()));
        supervisor.spawn("probe liveness", self.liveness.run(stopping.clone()));
        supervisor.spawn("sender", self.sender.run(stopping.clone()));
        supervisor.spawn("history", self.retention.run(db.clone(), clock, stopping.clone()));
        let server = server::serve(self.listener, state, stopping.clone(), STOP_LIMIT)?;
        let handle = server.handle();
        supervisor.spawn("web", async move {
            if let Err(error) = server.await {
                tracing::error!(%error, "the web server failed");
            }
        });
        tokio::select! {
            () = stop.cancelled() => {}
            () = stopping.cancelled() => {}
        }
        stopping.cancel();
        let web_stopped = handle.stop(true);
        let (ended, ()) = tokio::join!(supervisor.shut_down(STOP_LIMIT), web_stopped);
        if !ended {
            tracing::warn!("some work did not end in time and is taken up at the next start");
        }
        // Readers and the writer that hang now would hang for ever.
        let _ = tokio::time::timeout(Duration::from_secs(1), db.close()).await;
        match supervisor.died() {
            Some(task) => Err(CliError::Failed(format!("the {task} died; the log says why"))),
            None => Ok(()),
        }
    }
}

fn lock(checked: &Checked) -> Result<Option<ServerLock>, CliError> {
    let Some(path) = &checked.sqlite_path else { return Ok(None) };
    if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|error| {
            CliError::Usage(format!("cannot make the folder {}: {error}", folder.display()))
        })?;
    }
    ServerLock::take(path).map(Some).map_err(CliError::Usage)
}

fn sealer(config: &Config, checked: &Checked) -> Result<Sealer, CliError> {
    match (&config.secret_key, &checked.sqlite_path) {
        (Some(secret), _) => Ok(Sealer::from_text(secret)),
        (None, Some(path)) => {
            let key = path.with_file_name("secret.key");
            Sealer::load_or_create(&key).map_err(|error| CliError::Usage(error.to_string()))
        }
        // `Config::check` refuses this.
        (None, None) => Err(CliError::Usage("WATCHBELL_SECRET_KEY: must be given".to_owned())),
    }
}

/// A wrong key must show at the start, not at the first alert.
async fn check_key(db: &Db, sealer: &Sealer) -> Result<(), CliError> {
    let mut tx = db.begin().await?;
    crate::store::key_check::verify(&mut tx.conn(), sealer)
        .await
        .map_err(|error| CliError::Usage(format!("WATCHBELL_SECRET_KEY: {error}")))?;
    Ok(tx.commit().await?)
}

fn bind(listen: &str) -> Result<(TcpListener, SocketAddr), CliError> {
    let wrong = |error: std::io::Error| {
        CliError::Usage(format!("WATCHBELL_LISTEN: cannot listen on {listen}: {error}"))
    };
    let listener = TcpListener::bind(listen).map_err(wrong)?;
    let address = listener.local_addr().map_err(wrong)?;
    Ok((listener, address))
}

async fn first_admin(
    config: &Config,
    db: &Db,
    logins: &Logins,
    clock: &SharedClock,
) -> Result<(), CliError> {
    let (Some(email), Some(password)) = (&config.admin_email, &config.admin_password) else {
        return Ok(());
    };
    if crate::store::users::any(&mut db.read().await?.conn()).await? {
        return Ok(());
    }
    let made =
        user::create(db, logins.passwords(), email, password, Role::Admin, clock.now()).await;
    made.map(drop)
        .map_err(|error| CliError::Usage(format!("WATCHBELL_ADMIN_EMAIL/PASSWORD: {error}")))
}
