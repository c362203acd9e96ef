//! Policies as documents: written whole, and read only if every field is there and known.
//!
//! A limit that is missing would be one that nobody set, and one that is not known one that nobody holds. So neither is
//! passed over, and a document says which version of this it is of.

use std::path::PathBuf;
use std::time::Duration;

use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::names::{
    AccessName, CompilersName, FeatureName, GrantUseName, InstancesName, NanBitsName,
};
use super::{
    Clock, CompileLimits, EnvironmentVariable, FolderGrant, FuelUnits, NetworkGrant, Ports,
    Randomness, SecurityPolicy, WasmFeature,
};

/// Version of the documents that are written and read. It is raised with every change of what they hold.
const VERSION: u32 = 1;

/// Reads an option that has to be there, be it as nothing.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    Option::deserialize(deserializer)
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    #[serde(deserialize_with = "present")]
    memory_limit_bytes: Option<u64>,
    table_limit_elements: u32,
    #[serde(deserialize_with = "present")]
    wall_clock: Option<Duration>,
    #[serde(deserialize_with = "present")]
    initialisation_limit: Option<Duration>,
    #[serde(deserialize_with = "present")]
    fuel: Option<u64>,
    stack_bytes: u64,
    module_limit_bytes: u64,
    compile_limits: Compiled,
    value_limit_bytes: u64,
    output_limit_bytes: u64,
    scratch_limit_bytes: u64,
    features: Vec<FeatureName>,
    compilers: CompilersName,
    nan_bits: NanBitsName,
    instances: InstancesName,
    max_instances: u64,
    open_file_limit: u32,
    grants: GrantUseName,
    folders: Vec<Folder>,
    environment: Vec<Variable>,
    arguments: Vec<String>,
    network_grants: GrantUseName,
    network: Vec<Host>,
    clock: ClockName,
    randomness: RandomnessName,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Compiled {
    function_bytes: u32,
    function_locals: u32,
    function_blocks: u32,
    branch_targets: u32,
    nesting: u32,
    phis: u32,
    locals: u32,
    moved_values: u32,
    types: u32,
    imports: u32,
    functions: u32,
    tables: u32,
    globals: u32,
    exports: u32,
    elements: u32,
    data_segments: u32,
    custom_sections: u32,
    #[serde(deserialize_with = "present")]
    time: Option<Duration>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Folder {
    host: PathBuf,
    guest: String,
    access: AccessName,
    #[serde(deserialize_with = "present")]
    quota_bytes: Option<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Variable {
    name: String,
    value: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Host {
    host: String,
    first_port: u16,
    last_port: u16,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ClockName {
    Real,
    Coarse,
    CoarseMonotonic,
    /// Since 1970.
    Fixed(Duration),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum RandomnessName {
    Secure,
    Seeded(u64),
    Denied,
}

/// Documents hold all but bundles and manual clocks, which are values of this process: a policy with one of those is not
/// written. The values of environment variables are in them, as they are.
impl Serialize for SecurityPolicy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Document::of(self).map_err(S::Error::custom)?.serialize(serializer)
    }
}

/// Fields that are missing or not known, and documents of another version, are errors.
impl<'de> Deserialize<'de> for SecurityPolicy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Document::deserialize(deserializer)?.into_policy().map_err(D::Error::custom)
    }
}

impl Document {
    fn of(policy: &SecurityPolicy) -> Result<Self, &'static str> {
        // In full, so that a new field needs a decision.
        let SecurityPolicy {
            memory_limit_bytes,
            table_limit_elements,
            wall_clock,
            initialisation_limit,
            fuel,
            stack_bytes,
            module_limit_bytes,
            compile_limits,
            value_limit_bytes,
            output_limit_bytes,
            scratch_limit_bytes,
            features,
            compilers,
            nan_bits,
            instances,
            max_instances,
            open_file_limit,
            grants,
            folders,
            bundles,
            environment,
            arguments,
            network_grants,
            network,
            clock,
            randomness,
        } = policy;
        if !bundles.is_empty() {
            return Err("a policy that grants a bundle cannot be written: grant it after reading");
        }
        Ok(Self {
            version: VERSION,
            memory_limit_bytes: *memory_limit_bytes,
            table_limit_elements: *table_limit_elements,
            wall_clock: *wall_clock,
            initialisation_limit: *initialisation_limit,
            fuel: fuel.map(|FuelUnits(units)| units),
            stack_bytes: *stack_bytes as u64,
            module_limit_bytes: *module_limit_bytes,
            compile_limits: compile_limits.into(),
            value_limit_bytes: *value_limit_bytes,
            output_limit_bytes: *output_limit_bytes,
            scratch_limit_bytes: *scratch_limit_bytes,
            features: features.iter().map(FeatureName::from).collect(),
            compilers: (*compilers).into(),
            nan_bits: (*nan_bits).into(),
            instances: (*instances).into(),
            max_instances: *max_instances as u64,
            open_file_limit: *open_file_limit,
            grants: (*grants).into(),
            folders: folders.iter().map(Folder::from).collect(),
            environment: environment.iter().map(Variable::from).collect(),
            arguments: arguments.clone(),
            network_grants: (*network_grants).into(),
            network: network.iter().map(Host::from).collect(),
            clock: match clock {
                Clock::Real => ClockName::Real,
                Clock::Coarse => ClockName::Coarse,
                Clock::CoarseMonotonic => ClockName::CoarseMonotonic,
                Clock::Fixed { since_1970 } => ClockName::Fixed(*since_1970),
                Clock::Manual(_) => {
                    return Err(
                        "a policy with a manual clock cannot be written: set it after reading",
                    );
                }
            },
            randomness: match *randomness {
                Randomness::Secure => RandomnessName::Secure,
                Randomness::Seeded(seed) => RandomnessName::Seeded(seed),
                Randomness::Denied => RandomnessName::Denied,
            },
        })
    }

    fn into_policy(self) -> Result<SecurityPolicy, String> {
        if self.version != VERSION {
            return Err(format!(
                "the policy is of version {}, and this library reads version {VERSION}",
                self.version
            ));
        }
        let size = |bytes: u64| {
            usize::try_from(bytes).map_err(|_| format!("{bytes} is more than there can be here"))
        };
        Ok(SecurityPolicy {
            memory_limit_bytes: self.memory_limit_bytes,
            table_limit_elements: self.table_limit_elements,
            wall_clock: self.wall_clock,
            initialisation_limit: self.initialisation_limit,
            fuel: self.fuel.map(FuelUnits),
            stack_bytes: size(self.stack_bytes)?,
            module_limit_bytes: self.module_limit_bytes,
            compile_limits: self.compile_limits.into(),
            value_limit_bytes: self.value_limit_bytes,
            output_limit_bytes: self.output_limit_bytes,
            scratch_limit_bytes: self.scratch_limit_bytes,
            features: self.features.into_iter().map(WasmFeature::from).collect(),
            compilers: self.compilers.into(),
            nan_bits: self.nan_bits.into(),
            instances: self.instances.into(),
            max_instances: size(self.max_instances)?,
            open_file_limit: self.open_file_limit,
            grants: self.grants.into(),
            folders: self.folders.into_iter().map(FolderGrant::from).collect(),
            bundles: Vec::new(),
            environment: self.environment.into_iter().map(EnvironmentVariable::from).collect(),
            arguments: self.arguments,
            network_grants: self.network_grants.into(),
            network: self.network.into_iter().map(NetworkGrant::from).collect(),
            clock: match self.clock {
                ClockName::Real => Clock::Real,
                ClockName::Coarse => Clock::Coarse,
                ClockName::CoarseMonotonic => Clock::CoarseMonotonic,
                ClockName::Fixed(since_1970) => Clock::Fixed { since_1970 },
            },
            randomness: match self.randomness {
                RandomnessName::Secure => Randomness::Secure,
                RandomnessName::Seeded(seed) => Randomness::Seeded(seed),
                RandomnessName::Denied => Randomness::Denied,
            },
        })
    }
}

impl From<&FolderGrant> for Folder {
    fn from(grant: &FolderGrant) -> Self {
        let FolderGrant { host, guest, access, quota_bytes } = grant.clone();
        Self { host, guest, access: access.into(), quota_bytes }
    }
}

impl From<Folder> for FolderGrant {
    fn from(folder: Folder) -> Self {
        let Folder { host, guest, access, quota_bytes } = folder;
        Self { host, guest, access: access.into(), quota_bytes }
    }
}

impl From<&EnvironmentVariable> for Variable {
    fn from(variable: &EnvironmentVariable) -> Self {
        let EnvironmentVariable { name, value } = variable.clone();
        Self { name, value }
    }
}

impl From<Variable> for EnvironmentVariable {
    fn from(Variable { name, value }: Variable) -> Self {
        Self { name, value }
    }
}

impl From<&NetworkGrant> for Host {
    fn from(grant: &NetworkGrant) -> Self {
        let (first_port, last_port) = grant.ports.bounds();
        Self { host: grant.host.clone(), first_port, last_port }
    }
}

impl From<Host> for NetworkGrant {
    fn from(Host { host, first_port, last_port }: Host) -> Self {
        Self::new(host, Ports::from(first_port..=last_port))
    }
}

/// Copies the fields of limits that have the same names on both sides, all of them.
macro_rules! same_fields {
    ($($field:ident),+) => {
        impl From<&CompileLimits> for Compiled {
            fn from(limits: &CompileLimits) -> Self {
                let CompileLimits { $($field),+ } = *limits;
                Self { $($field),+ }
            }
        }

        impl From<Compiled> for CompileLimits {
            fn from(limits: Compiled) -> Self {
                let Compiled { $($field),+ } = limits;
                Self { $($field),+ }
            }
        }
    };
}

same_fields!(
    function_bytes,
    function_locals,
    function_blocks,
    branch_targets,
    nesting,
    phis,
    locals,
    moved_values,
    types,
    imports,
    functions,
    tables,
    globals,
    exports,
    elements,
    data_segments,
    custom_sections,
    time
);

#[cfg(test)]
mod tests;
