//! The threads of the libraries beneath FAISS, which know nothing of a container's quota.

use std::ffi::{CStr, c_char, c_int, c_void};

/// Limits OpenMP to `threads` for what the calling thread starts, and `OpenBLAS`, if that is the BLAS, to one.
#[expect(unsafe_code, reason = "neither library has a safe interface")]
pub(super) fn limit(threads: usize) {
    let threads = c_int::try_from(threads).unwrap_or(c_int::MAX).max(1);
    // SAFETY: the function takes any positive number; libgomp is linked with FAISS.
    unsafe { omp_set_num_threads(threads) };
    if let Some(set_threads) = openblas_set_num_threads() {
        // SAFETY: OpenBLAS's function of this name takes one int, any positive number.
        unsafe { set_threads(1) };
    }
}

/// The function of `OpenBLAS` if it is the BLAS in this process: any other would leave the symbol undefined.
#[expect(unsafe_code, reason = "the dynamic linker has no safe interface")]
fn openblas_set_num_threads() -> Option<unsafe extern "C" fn(c_int)> {
    const NAME: &CStr = c"openblas_set_num_threads";
    // SAFETY: a null handle is RTLD_DEFAULT on Linux, and the name ends in a null byte.
    let symbol = unsafe { dlsym(std::ptr::null_mut(), NAME.as_ptr()) };
    // SAFETY: null becomes None, and anything else is a function of that signature (OpenBLAS's cblas.h).
    unsafe { std::mem::transmute::<*mut c_void, Option<unsafe extern "C" fn(c_int)>>(symbol) }
}

#[expect(unsafe_code, reason = "declared as omp.h and dlfcn.h declare them")]
unsafe extern "C" {
    fn omp_set_num_threads(threads: c_int);
    fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
}
