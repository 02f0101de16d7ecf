//! Make, change or try a provider: what the command line and the API ask for, checked in one place; and its settings as each
//! kind has them.

pub use crate::provider_order::ProviderOrder;
use crate::provider_order::{OWN_STORAGE, judged};
use crate::sources::origin;
use crate::{App, DecodeVins, RefreshHistory, RefreshValuations, RefreshVins, UploadPhotos};
use domain::file_name;
use partners::history::Selectors;
use partners::valuation::{Service, Vehicle};
use partners::{Fetcher, PartnerError, history, upload, vpic};
use queue::{Engine, Enqueue, Job};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use stores::{
    Alerts, Audit, Histories, PgConnection, Provider, ProviderKind, Providers, Schedules,
    StoreError, Vins,
};

/// What is kept of it beside the columns.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Settings {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) selectors: Option<Selectors>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) token_url: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) region: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) shown_at: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) sizes: Vec<u32>,
}

#[derive(Debug, thiserror::Error)]
pub enum ProviderProblem {
    /// What was asked for cannot be.
    #[error("{0}")]
    Order(String),
    #[error(transparent)]
    Partner(#[from] PartnerError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Sql(#[from] stores::SqlError),
    #[error(transparent)]
    Queue(#[from] queue::EngineError),
    #[error(transparent)]
    Arguments(#[from] serde_json::Error),
}

pub(crate) fn order(problem: impl Into<String>) -> ProviderProblem {
    ProviderProblem::Order(problem.into())
}

const EVERY_NIGHT: &str = "30 3 * * *";
/// An Accord of 2003, which decoders know: what a provider is tried with.
pub const KNOWN_VIN: &str = "1HGCM82633A004352";

pub async fn put(
    app: &App,
    name: &str,
    wanted: ProviderOrder,
    who: &str,
) -> Result<(), ProviderProblem> {
    let kind = ProviderKind::parse(&wanted.kind).ok_or_else(|| {
        order(format!(
            "kind: {:?} is not vin, history, valuation or upload",
            wanted.kind
        ))
    })?;
    let mut tx = app.pool.begin().await?;
    Providers::lock(&mut tx, name).await?;
    let known = Providers::find(&mut tx, name).await?;
    if known.is_none() && !file_name::is_plain(name) {
        return Err(order(format!(
            "{name:?} is no name: 1 to 64 letters, digits, dashes, dots"
        )));
    }
    judged(app, kind, &wanted, known.as_ref())?;
    if let Some(known) = known.as_ref().filter(|known| known.kind != kind) {
        let is = known.kind.as_str();
        return Err(order(format!(
            "kind: {name} is of kind {is}, and what it said is of that; call this one otherwise, or remove it first"
        )));
    }
    let before = known.clone();
    let known = known.filter(|known| {
        let settings = settings(known);
        origin(&known.url) == origin(&wanted.url)
            && origin(&settings.token_url) == origin(&wanted.token_url)
    });
    let secret = match (&wanted.secret, known) {
        (None, Some(known)) => known.secret,
        (None, None) if kind == ProviderKind::Valuation => {
            return Err(order(
                "a valuation needs its CLIENT:SECRET, said anew when its host changes",
            ));
        }
        (secret, _) => {
            let secret = secret.as_ref().map_or("", ExposeSecret::expose_secret);
            app.sealer.seal(&Provider::purpose(name), secret)?
        }
    };
    let settings = Settings {
        selectors: wanted.selectors.map(Selectors::folded),
        token_url: wanted.token_url,
        region: wanted.region,
        shown_at: wanted.shown_at,
        sizes: wanted.sizes,
    };
    let provider = Provider {
        name: name.to_owned(),
        kind,
        url: wanted.url,
        settings: serde_json::to_value(&settings).map_err(|error| order(error.to_string()))?,
        secret,
        enabled: !wanted.disabled,
        refresh_days: wanted.refresh_days.unwrap_or(match kind {
            ProviderKind::Valuation => 7,
            ProviderKind::History => 30,
            ProviderKind::Vin | ProviderKind::Upload => 180,
        }),
        at_once: wanted.at_once.unwrap_or(4),
        changed_at: None,
    };
    if !(1..=3650).contains(&provider.refresh_days) || !(1..=64).contains(&provider.at_once) {
        return Err(order("refresh_days: 1 to 3650; at_once: 1 to 64"));
    }
    Providers::put(&mut tx, &provider).await?;
    let asked_otherwise = before
        .as_ref()
        .is_some_and(|before| before.url != provider.url || before.settings != provider.settings);
    let open = Alerts::open(&mut tx).await?;
    let unknown = |alert: &stores::Alert| alert.what == "history_unknown" && alert.subject == name;
    let told = open.iter().any(unknown);
    // What its pages said could not be read; now perhaps it can. So with what it did not know, where that was its own fault.
    Providers::want_drifted(&mut tx, name, asked_otherwise || told).await?;
    Providers::due_now(&mut tx, name).await?;
    if kind == ProviderKind::Upload && asked_otherwise {
        Providers::want_shown_anew(&mut tx, name).await?;
    }
    if !provider.enabled {
        // Nobody is waited for to mend it.
        for alert in ALERTS {
            Alerts::resolve(&mut tx, alert, name).await?;
        }
    }
    if before.is_some_and(|before| before.enabled != provider.enabled) {
        // What it said stands no more, or stands again.
        look_again(app, &mut tx, name).await?;
    }
    let args = serde_json::json!({ "provider": name });
    let schedule = format!("refresh-{name}");
    Schedules::ensure(&mut tx, &schedule, EVERY_NIGHT, "UTC", job_of(kind), &args).await?;
    Audit::note(&mut tx, who, "put", &format!("provider {name}")).await?;
    // What waits for it need not wait for the night.
    if provider.enabled {
        app.engine
            .enqueue(&mut tx, &[crate::enrichment::order(&provider)?])
            .await?;
    }
    tx.commit().await?;
    crate::enrichment::hurry(app, &provider).await
}

/// Removes it with its schedule, what is due, and all it said; units are looked at again without its word. What a badge file told is
/// removed by the name that it is known by.
pub async fn remove(app: &App, name: &str, who: &str) -> Result<(), ProviderProblem> {
    let mut tx = app.pool.begin().await?;
    Providers::lock(&mut tx, name).await?;
    let known = Providers::find(&mut tx, name).await?;
    if known.is_none() && !Histories::is_told_by(&mut tx, name).await? {
        Providers::get(&mut tx, name).await?;
    }
    look_again(app, &mut tx, name).await?;
    if known.is_some_and(|known| known.kind == ProviderKind::Vin) {
        Vins::forget_api(&mut tx, name).await?;
    }
    Providers::remove(&mut tx, name).await?;
    Schedules::remove(&mut tx, &format!("refresh-{name}")).await?;
    for alert in ALERTS {
        Alerts::resolve(&mut tx, alert, name).await?;
    }
    Audit::note(&mut tx, who, "remove", &format!("provider {name}")).await?;
    tx.commit().await?;
    Ok(())
}

/// Of a provider, by its name.
const ALERTS: [&str; 4] = [
    "history_drift",
    "history_unknown",
    "worth_unknown",
    PROVIDER_FAILING,
];
/// It answers nobody, and says why.
pub(crate) const PROVIDER_FAILING: &str = "provider_failing";

/// Units that a provider said something of are looked at again, in slices.
async fn look_again(app: &App, tx: &mut PgConnection, name: &str) -> Result<(), ProviderProblem> {
    let units = Providers::told_of(tx, name).await?;
    let orders = units.chunks(UNITS_PER_JOB).map(|units| {
        let listings = units.to_vec();
        Enqueue::of(&DecodeVins { listings })
    });
    let orders = orders.collect::<Result<Vec<_>, _>>()?;
    app.engine.enqueue(tx, &orders).await?;
    Ok(())
}

const UNITS_PER_JOB: usize = 2_000;

/// The job that asks a provider.
pub(crate) fn job_of(kind: ProviderKind) -> &'static str {
    match kind {
        ProviderKind::Vin => RefreshVins::NAME,
        ProviderKind::History => RefreshHistory::NAME,
        ProviderKind::Valuation => RefreshValuations::NAME,
        ProviderKind::Upload => UploadPhotos::NAME,
    }
}

pub(crate) fn settings(provider: &Provider) -> Settings {
    serde_json::from_value(provider.settings.clone()).unwrap_or_default()
}

pub(crate) fn secret(app: &App, provider: &Provider) -> Result<SecretString, StoreError> {
    app.sealer
        .open(&Provider::purpose(&provider.name), &provider.secret)
}

/// As a bearer, when there is one.
pub(crate) fn bearer(app: &App, provider: &Provider) -> Result<Option<SecretString>, StoreError> {
    let secret = secret(app, provider)?;
    let secret = secret.expose_secret();
    Ok((!secret.is_empty()).then(|| SecretString::from(format!("Bearer {secret}"))))
}

/// Asks it about one vehicle, and says what came: `forecourt providers test`, and the probe of a broken partner.
pub async fn ask_one(app: &App, provider: &Provider, vin: &str) -> Result<String, ProviderProblem> {
    let (fetcher, partner): (&Fetcher, _) = (&app.fetcher, provider.partner());
    let settings = settings(provider);
    match provider.kind {
        ProviderKind::Vin => {
            let vins = [vin.to_owned()];
            let (url, shown) = (&provider.url, bearer(app, provider)?);
            let answers = vpic::decode(fetcher, &partner, url, shown.as_ref(), &vins).await?;
            Ok(answers.first().map_or_else(
                || "no answer".to_owned(),
                |answer| format!("errors {:?}, {} values", answer.errors, answer.values.len()),
            ))
        }
        ProviderKind::History => {
            let url = provider.url.replace("{vin}", vin);
            let shown = bearer(app, provider)?;
            let page = history::fetch(fetcher, &partner, &url, shown.as_ref()).await?;
            let selectors = settings
                .selectors
                .ok_or_else(|| order("it has no selectors"))?;
            let report = selectors.read(vin, &page).map_err(PartnerError::from)?;
            Ok(format!(
                "{} owners, {} accidents, title {}, {} records",
                report.owners.map_or("?".to_owned(), |n| n.to_string()),
                report.accidents.map_or("?".to_owned(), |n| n.to_string()),
                report.title_brand.as_deref().unwrap_or("?"),
                report.records.len()
            ))
        }
        ProviderKind::Valuation => {
            let client = secret(app, provider)?;
            let service = Service {
                partner: &partner,
                token_url: &settings.token_url,
                url: &provider.url,
                client: &client,
            };
            let vehicle = Vehicle {
                vin: vin.to_owned(),
                odometer: 30_000,
                region: settings.region,
            };
            let said = service.worth(fetcher, &app.tokens, &[vehicle]).await?;
            Ok(match said.first().map(|said| said.worth) {
                Some(Some(worth)) => format!(
                    "wholesale {:?}, retail {:?} dollars",
                    worth.wholesale, worth.retail
                ),
                Some(None) => "it knows no such vehicle".to_owned(),
                None => "nothing of its answer is believed: it leaves the vehicle out, or is about another, other miles, another \
                         region or currency, or its amounts do not rise"
                    .to_owned(),
            })
        }
        ProviderKind::Upload if provider.url.starts_with(OWN_STORAGE) => {
            Ok("our own storage".to_owned())
        }
        ProviderKind::Upload => {
            // The smallest photo there is, under a digest of its own.
            let url = provider.url.replace("{digest}", "probe");
            let shown = bearer(app, provider)?;
            let shown = shown.as_ref();
            let photo = vec![0xff, 0xd8, 0xff, 0xd9];
            let url = upload::put(fetcher, &partner, &url, shown, "image/jpeg", photo).await?;
            Ok(format!("it took a photo, shown at {url}"))
        }
    }
}

/// The page of a vehicle's history as it came from a provider.
pub async fn page_of(app: &App, vin: &str, provider: &str) -> Result<Vec<u8>, ProviderProblem> {
    let vins = [vin.trim().to_ascii_uppercase()];
    let known = Histories::of(&mut *app.pool.acquire().await?, &vins).await?;
    let known = known
        .into_iter()
        .find(|known| known.report.provider == provider);
    let raw_key = known.and_then(|known| known.report.raw_key);
    let raw_key = raw_key.ok_or_else(|| StoreError::NotFound {
        what: "report page",
        key: format!("{} by {provider}", vins[0]),
    })?;
    Ok(app.objects.get(&raw_key).await?)
}

/// What a valuation is asked with: the bucket of so many kilometres, in thousands of miles.
pub(crate) fn bucket(odometer_km: i64) -> i32 {
    // A kilometre is 0.621371 miles; as old_valuations.sql has it.
    let thousands = odometer_km.clamp(0, 1_000_000_000) * 621_371 + 500_000_000;
    i32::try_from(thousands / 1_000_000_000).unwrap_or(0)
}
