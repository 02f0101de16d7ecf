//! `mappings`: how files are read, and what a file would become, without loading it.

use anyhow::{Context, Result, ensure};
use domain::Value;
use ingest::{BUILT_IN, Mapping, Reader};
use jobs::mappings;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub(super) struct Mappings {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Built-in ones, and one's own
    List {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Keep a mapping of one's own, or a new version of it; sources name it from then on
    Put { name: String, file: PathBuf },
    /// Write a mapping to begin from, for a file nobody has mapped
    Suggest {
        file: PathBuf,
        /// What the mapping is to be called
        #[arg(long, default_value = "mine")]
        name: String,
    },
    /// Print a mapping: the newest version of one's own, or a built-in one to begin from
    Show {
        mapping: String,
        /// An older version of one's own
        #[arg(long)]
        version: Option<i32>,
    },
    /// Every version of one's own: who put it, and when
    Versions {
        mapping: String,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Make what an older version says the newest; sources read their next file by it
    Revert { mapping: String, version: i32 },
    /// Read a file and show what each column became
    Test {
        /// The path of a YAML file, or a mapping's name
        mapping: String,
        file: PathBuf,
    },
}

/// What one field of the file came to.
#[derive(Default)]
struct Filled {
    rows: u64,
    /// Some values, and what the file said when that is something else.
    examples: Vec<String>,
}

const EXAMPLES: usize = 3;

impl Mappings {
    pub(super) async fn run(self, data_dir: &Path) -> Result<ExitCode> {
        match self.action {
            Action::List { json } => list(data_dir, json).await,
            Action::Put { name, file } => put(data_dir, &name, &file).await,
            Action::Suggest { file, name } => {
                let bytes =
                    std::fs::read(&file).with_context(|| format!("read {}", file.display()))?;
                let suggestion = ingest::suggest(bytes, &name)?;
                print!("{}", suggestion.yaml);
                eprintln!(
                    "{} columns are known, {} are not",
                    suggestion.known, suggestion.unknown
                );
                Ok(ExitCode::SUCCESS)
            }
            Action::Show { mapping, version } => show(data_dir, &mapping, version).await,
            Action::Versions { mapping, json } => versions(data_dir, &mapping, json).await,
            Action::Revert { mapping, version } => {
                let platform = super::connect(data_dir).await?;
                let who = super::operator();
                let newest = mappings::revert(&platform.app, &mapping, version, &who).await?;
                println!("mapping {mapping}, version {newest}");
                Ok(ExitCode::SUCCESS)
            }
            Action::Test { mapping, file } => test(&mapping_of(data_dir, &mapping).await?, &file),
        }
    }
}

async fn list(data_dir: &Path, json: bool) -> Result<ExitCode> {
    let line = |name: &str, version: Option<i32>, text: &str| {
        let about = text.lines().next().unwrap_or_default();
        let about = about.trim_start_matches("# ");
        if json {
            let line = serde_json::json!({ "name": name, "version": version, "about": about });
            println!("{line}");
        } else {
            let version = version.map_or("built in".to_owned(), |v| format!("version {v}"));
            println!("{name:<18} {version:<12} {about}");
        }
    };
    for (name, text) in BUILT_IN {
        line(name, None, text);
    }
    match super::connect(data_dir).await {
        Ok(platform) => {
            let mut conn = platform.app.pool.acquire().await?;
            for own in stores::OwnMappings::list(&mut conn).await? {
                line(&own.name, Some(own.version), &own.yaml);
            }
        }
        // The built-in ones need no installation.
        Err(error) => eprintln!("none of one's own: {error:#}"),
    }
    Ok(ExitCode::SUCCESS)
}

async fn put(data_dir: &Path, name: &str, file: &Path) -> Result<ExitCode> {
    let text = std::fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
    Mapping::parse(name, &text)?;
    let platform = super::connect(data_dir).await?;
    let version = mappings::put(&platform.app, name, &text, &super::operator()).await?;
    println!("mapping {name}, version {version}");
    Ok(ExitCode::SUCCESS)
}

async fn show(data_dir: &Path, name: &str, version: Option<i32>) -> Result<ExitCode> {
    let shipped = BUILT_IN.iter().find(|(known, _)| *known == name);
    if let (Some((_, text)), None) = (shipped, version) {
        // Needs no installation.
        print!("{text}");
        return Ok(ExitCode::SUCCESS);
    }
    let platform = super::connect(data_dir).await?;
    let mut conn = platform.app.pool.acquire().await?;
    print!("{}", mappings::text(&mut conn, name, version).await?);
    Ok(ExitCode::SUCCESS)
}

async fn versions(data_dir: &Path, name: &str, json: bool) -> Result<ExitCode> {
    let platform = super::connect(data_dir).await?;
    let mut conn = platform.app.pool.acquire().await?;
    let versions = stores::OwnMappings::versions(&mut conn, name).await?;
    if versions.is_empty() {
        // Says what is wrong with the name.
        mappings::text(&mut conn, name, None).await?;
        ensure!(json, "{name} is built in, it has no versions");
    }
    for own in versions {
        if json {
            println!("{}", serde_json::to_string(&own)?);
        } else {
            println!("{:>7}  {}  {}", own.version, own.put_at, own.put_by);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// One that ships, and one in a file, need no installation.
async fn mapping_of(data_dir: &Path, name: &str) -> Result<Mapping> {
    if Path::new(name).is_file() {
        let text = std::fs::read_to_string(name).with_context(|| format!("read {name}"))?;
        return Ok(Mapping::parse(name, &text)?);
    }
    if BUILT_IN.iter().any(|(known, _)| *known == name) {
        return Ok(Mapping::built_in(name)?);
    }
    let platform = super::connect(data_dir).await.with_context(|| {
        format!("no file and no built-in mapping is called {name:?}, and none of one's own can be asked for")
    })?;
    let mut conn = platform.app.pool.acquire().await?;
    Ok(mappings::find(&mut conn, name).await?.0)
}

fn test(mapping: &Mapping, file: &Path) -> Result<ExitCode> {
    let bytes = std::fs::read(file).with_context(|| format!("read {}", file.display()))?;
    let mut reader = Reader::new(bytes, mapping)?;
    let places: Vec<(domain::Field, Vec<usize>)> = reader
        .columns()
        .map(|(column, places)| (column.to, places))
        .collect();
    let mut filled: BTreeMap<domain::Field, Filled> = BTreeMap::new();
    let mut rejects: BTreeMap<(String, String), (u64, String)> = BTreeMap::new();
    let unread = reader.unread();
    let (mut rows, mut good, mut double, mut rooftops) = (0u64, 0u64, 0u64, BTreeMap::new());
    while let Some(row) = reader.next_row()? {
        rows += 1;
        good += u64::from(row.draft.is_some());
        double += u64::from(row.duplicate);
        if let Some(dealer) = row.dealer {
            *rooftops.entry(dealer.key).or_insert(0u64) += 1;
        }
        for reject in row.rejects {
            let entry = rejects
                .entry((reject.rule, reject.column))
                .or_insert_with(|| (0, reject.message));
            entry.0 += 1;
        }
        if let Some(draft) = row.draft {
            note(&mut filled, &draft);
        }
    }
    println!(
        "{rows} rows: {good} good, {double} double, {} lost",
        rows - good - double
    );
    if !rooftops.is_empty() {
        println!("{} rooftops", rooftops.len());
    }
    println!("\n{:<20} {:<10} {:>8}  becomes", "field", "column", "rows");
    for column in &mapping.columns {
        if !places.iter().any(|(field, _)| *field == column.to) {
            println!("{:<20} {:<10}", column.to.name(), "not there");
        }
    }
    for (field, filled) in &filled {
        let column = places.iter().find(|(known, _)| known == field);
        let column = column.map_or("derived".to_owned(), |(_, places)| {
            places
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(",")
        });
        println!(
            "{:<20} {column:<10} {:>8}  {}",
            field.name(),
            filled.rows,
            filled.examples.join("; ")
        );
    }
    if !unread.is_empty() {
        println!("\nnothing is read from");
        for (place, name) in unread {
            println!("{:<20} {place}", name.escape_debug());
        }
    }
    if !rejects.is_empty() {
        println!("\nrefused");
        for ((rule, column), (count, example)) in rejects {
            println!("{count:>8}  {rule} ({column}): {example}");
        }
    }
    Ok(if good > 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn note(filled: &mut BTreeMap<domain::Field, Filled>, draft: &domain::ListingDraft) {
    let identity = [
        (domain::Field::StockNumber, Some(draft.stock_number.clone())),
        (
            domain::Field::Vin,
            draft.vin.as_ref().map(ToString::to_string),
        ),
        (domain::Field::Serial, draft.serial.clone()),
    ];
    let details = domain::Details::FIELDS
        .iter()
        .map(|&field| (field, draft.details.get(field).map(|v| shown(&v))));
    for (field, value) in identity.into_iter().chain(details) {
        let Some(value) = value else { continue };
        let filled = filled.entry(field).or_default();
        filled.rows += 1;
        let example = match draft.originals.get(&field) {
            Some(original) => format!("{original:?} -> {value:?}"),
            None => format!("{value:?}"),
        };
        if filled.examples.len() < EXAMPLES && !filled.examples.contains(&example) {
            filled.examples.push(example);
        }
    }
}

fn shown(value: &Value<'_>) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
