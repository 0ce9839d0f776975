#!/bin/sh
# The first process of the test kernel that tests/system/kernel/uml.ts starts: mounts, a simulated GPIO chip, one program, power-off.
# HUB_UML_SHARE (from the kernel's command line) is the one folder of the host that can be written from here.
# It holds scenario.sh: exported variables, then `set -- PROGRAM ARGUMENT...`.

# A dying first process is a kernel panic: nothing here may stop the script, so no `set -e`.
# The last line that the host reads. A number below 256 is the program's own code; words say what kept it from starting.
power_off() {
  printf '\numl-exit: %s\n' "$1"
  # The console is written by the kernel's own thread: let it empty, then halt. Nothing after this line runs.
  echo o >/proc/sysrq-trigger
  while :; do read -r _ </dev/null || /bin/sleep 1; done
}

PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH

# /proc first: power_off needs it. -n everywhere: the root is the host's, read-only, and /etc/mtab is not ours.
mount -n -t proc proc /proc
mount -n -t sysfs sysfs /sys || power_off 'cannot mount /sys'
# devtmpfs covers the host's /dev, so that /dev/gpiochip0 here is never a device of the host.
mount -n -t devtmpfs devtmpfs /dev || power_off 'cannot mount /dev'
mkdir -p /dev/pts /dev/shm
mount -n -t devpts devpts /dev/pts
mount -n -t tmpfs tmpfs /dev/shm
# Without udev nobody makes these.
ln -sf /proc/self/fd /dev/fd
ln -sf /proc/self/fd/0 /dev/stdin
ln -sf /proc/self/fd/1 /dev/stdout
ln -sf /proc/self/fd/2 /dev/stderr
mount -n -t configfs configfs /sys/kernel/config || power_off 'cannot mount configfs'
mount -n -t debugfs debugfs /sys/kernel/debug

# Scratch that dies with the kernel. The shared folder lies under it, and so may the checkout: both are put back.
mount -n -t tmpfs -o mode=1777 tmpfs /tmp || power_off 'cannot mount /tmp'
mount -n -t tmpfs tmpfs /run
mkdir -p "$HUB_UML_SHARE"
mount -n -t hostfs -o "$HUB_UML_SHARE" none "$HUB_UML_SHARE" || power_off 'cannot mount the shared folder'
case "$HUB_UML_CHECKOUT" in
  /tmp/* | /run/*)
    mkdir -p "$HUB_UML_CHECKOUT"
    mount -n -t hostfs -o ro,"$HUB_UML_CHECKOUT" none "$HUB_UML_CHECKOUT" || power_off 'cannot mount the checkout'
    ;;
esac

# tinyconfig's loopback device starts down; without it nothing on 127.0.0.1 answers.
ip link set lo up 2>/dev/null || ifconfig lo up 2>/dev/null

# One chip, label hubsim, 32 lines. A line without a line<N> folder works all the same: it only has no name.
chip=/sys/kernel/config/gpio-sim/hub
mkdir -p "$chip/bank0" || power_off 'cannot make the simulated GPIO chip: no gpio-sim in this kernel'
echo 32 >"$chip/bank0/num_lines"
echo hubsim >"$chip/bank0/label"
echo 1 >"$chip/live" || power_off 'cannot start the simulated GPIO chip'

# UML saves the first 832 bytes of the vector state for a signal handler, so AVX-512 registers do not survive one:
# keep glibc and OpenSSL off them.
export GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX512BW
export OPENSSL_ia32cap=:~0xd0030000

. "$HUB_UML_SHARE/scenario.sh"
cd "$HUB_UML_CHECKOUT" || power_off 'cannot enter the checkout'
"$@" </dev/null 2>&1
power_off $?
