//! The programs' own filter: what the user wants to see, and the cgroups that he does not. Both may change while they run.

use crate::kernel::load::LoadError;
use aya::Ebpf;
use aya::maps::{Array, HashMap, MapData, MapError};
use tracer_common::filter::{Counts, Filter};

/// The writing end.
pub struct Filters {
    values: Array<MapData, Filter>,
    unwanted: HashMap<MapData, u64, u8>,
    current: Box<Filter>,
}

impl Filters {
    pub(super) fn take(ebpf: &mut Ebpf, current: &Filter) -> Result<Self, LoadError> {
        let values = ebpf.take_map(FILTER).ok_or(LoadError::NoMap(FILTER))?;
        let unwanted = ebpf.take_map(UNWANTED).ok_or(LoadError::NoMap(UNWANTED))?;
        Ok(Self {
            values: values.try_into()?,
            unwanted: unwanted.try_into()?,
            current: Box::new(*current),
        })
    }

    /// Lets another filter count. Its values are written while none do: a program that reads them meanwhile lets more
    /// pass, never less.
    pub fn set(&mut self, filter: Filter) -> Result<(), MapError> {
        let opened = |filter| Filter {
            counts: Counts::default(),
            ..filter
        };
        for step in [opened(*self.current), opened(filter), filter] {
            self.values.set(0, step, 0)?;
        }
        *self.current = filter;
        Ok(())
    }

    /// Leaves out what this cgroup's processes do, until it is forgotten for others.
    pub fn leave_out(&mut self, cgroup: u64) -> Result<(), MapError> {
        self.unwanted.insert(cgroup, 1, 0)
    }

    /// Every cgroup is wanted again.
    pub fn readmit(&mut self) -> Result<(), MapError> {
        let known: Vec<_> = self.unwanted.keys().collect::<Result<_, _>>()?;
        for cgroup in known {
            match self.unwanted.remove(&cgroup) {
                // Others that came meanwhile took its place.
                Ok(()) | Err(MapError::KeyNotFound) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// What the programs begin with.
pub(super) fn begin(ebpf: &mut Ebpf, filter: &Filter) -> Result<(), LoadError> {
    let map = ebpf.map_mut(FILTER).ok_or(LoadError::NoMap(FILTER))?;
    let mut values: Array<_, Filter> = map.try_into()?;
    Ok(values.set(0, *filter, 0)?)
}

const FILTER: &str = "FILTER";
pub(super) const UNWANTED: &str = "UNWANTED";
