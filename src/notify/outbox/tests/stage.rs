//! A sender with a database and a clock that the tests turn.

use serde_json::json;

use super::*;

pub const START: Timestamp = Timestamp(1_700_000_000_000);
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A sender with a database and a clock.
pub struct Stage {
    pub db: Db,
    pub clock: Arc<ManualClock>,
    pub sender: Sender,
    pub stop: CancellationToken,
    supervisor: Supervisor,
    settled: watch::Receiver<u64>,
}

impl Stage {
    pub async fn new(db: Db, now: Timestamp, resolver: GuardedResolver) -> Self {
        let clock = ManualClock::new(now);
        let supervisor = Supervisor::new(CancellationToken::new());
        let sender = Sender::new(SenderConfig {
            db: db.clone(),
            sealer: Sealer::from_text("key"),
            clock: clock.clone(),
            supervisor: supervisor.clone(),
            resolver,
            base_url: Arc::new(|| "http://bell.example".to_owned()),
            smtp: Arc::new(|| None),
            schedule: RetrySchedule::default(),
            // Of real time, which these tests do not wait for.
            attempt_limit: Duration::from_secs(60),
            chance: Arc::new(|| 0.5),
        })
        .unwrap();
        let stop = supervisor.stop().clone();
        let settled = sender.settled();
        Self { db, clock, sender, stop, supervisor, settled }
    }

    pub fn run(&self) {
        self.supervisor.spawn("sender", self.sender.clone().run(self.stop.clone()));
    }

    /// Waits until `count` attempts are settled.
    pub async fn settled(&mut self, count: u64) {
        let wait = self.settled.wait_for(|settled| *settled >= count);
        tokio::time::timeout(PATIENCE, wait).await.expect("settled in time").unwrap();
    }

    pub async fn webhook(&self, url: &str) -> ChannelId {
        self.channel(json!({"type": "webhook", "url": url})).await
    }

    pub async fn channel(&self, request: serde_json::Value) -> ChannelId {
        let settings = ChannelSettings::read(request.as_object().unwrap(), None, true).unwrap();
        let mut tx = self.db.begin().await.unwrap();
        let sealer = Sealer::from_text("key");
        let channel = channels::insert(&mut tx.conn(), &sealer, settings, START).await.unwrap();
        tx.commit().await.unwrap();
        channel.id
    }

    pub async fn incident(&self) -> IncidentId {
        let mut tx = self.db.begin().await.unwrap();
        let id = testing::incident(&mut tx.conn(), START).await;
        tx.commit().await.unwrap();
        id
    }

    /// Queues an alert about a monitor; `name` is its subject.
    pub async fn queue(&self, name: &str, monitor: i64, channel: ChannelId, incident: Option<i64>) {
        let mut new = self.alert(name, monitor, AlertEvent::MonitorDown, channel);
        new.incident_id = incident;
        self.queue_all(&[new]).await;
    }

    /// An alert about a monitor; `name` is its subject.
    pub fn alert(
        &self,
        name: &str,
        monitor: i64,
        event: AlertEvent,
        channel: ChannelId,
    ) -> NewDelivery {
        let mut alert = down_alert();
        alert.event = event;
        alert.message.subject = name.to_owned();
        alert.monitor.as_mut().unwrap().id = monitor;
        if event == AlertEvent::MonitorUp {
            alert.message.sign = "🟢".to_owned();
            alert.message.predicate = "is back online".to_owned();
        }
        let created_at = self.clock.now();
        NewDelivery {
            idempotency_key: format!("{name}/{event}/{}/{channel}", created_at.0),
            event,
            incident_id: None,
            monitor_id: Some(monitor),
            channel_id: channel,
            alert,
            created_at,
        }
    }

    pub async fn queue_all(&self, new: &[NewDelivery]) {
        let mut tx = self.db.begin().await.unwrap();
        deliveries::insert(&mut tx.conn(), new).await.unwrap();
        tx.commit().await.unwrap();
        self.sender.wake().wake();
    }

    /// Waits until all deliveries are as they should be.
    #[track_caller]
    pub fn until(&self, like: impl Fn(&[Delivery]) -> bool) -> impl Future<Output = Vec<Delivery>> {
        let caller = std::panic::Location::caller();
        let (db, mut settled) = (self.db.clone(), self.settled.clone());
        async move {
            let wait = async {
                loop {
                    settled.mark_unchanged();
                    let found = all_deliveries(&db).await;
                    if like(&found) {
                        return found;
                    }
                    // Arranging settles nothing, so time alone may bring it about.
                    let _ =
                        tokio::time::timeout(Duration::from_millis(20), settled.changed()).await;
                }
            };
            let found = tokio::time::timeout(PATIENCE, wait).await;
            found.unwrap_or_else(|_| panic!("did not come true: {caller}"))
        }
    }

    /// All deliveries, oldest first.
    pub async fn deliveries(&self) -> Vec<Delivery> {
        all_deliveries(&self.db).await
    }

    pub async fn read_channel(&self, id: ChannelId) -> Channel {
        self.sender.channel(id).await.unwrap().unwrap()
    }

    pub async fn timeline(&self, incident: IncidentId) -> Vec<(TimelineKind, String)> {
        let mut reader = self.db.read().await.unwrap();
        let entries = timeline::list(&mut reader.conn(), incident).await.unwrap();
        entries.into_iter().map(|entry| (entry.kind, entry.detail)).collect()
    }
}

async fn all_deliveries(db: &Db) -> Vec<Delivery> {
    let mut reader = db.read().await.unwrap();
    let page = deliveries::list(&mut reader.conn(), &Filter::default(), 10_000, 0).await.unwrap();
    page.deliveries.into_iter().rev().collect()
}

pub fn anywhere() -> GuardedResolver {
    GuardedResolver::new(Arc::new(EgressRules::default()))
}
