//! conntracer's user space: from the kernel's records to findings.
