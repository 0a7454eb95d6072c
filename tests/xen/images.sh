# SPDX-License-Identifier: MIT
# Sourced by run: makes what is booted, under $cache, from Debian's packages.
#
#   vmlinux, xen    the kernel of all domains, and the hypervisor, both unpacked: to unpack
#                   them takes 15 s under emulation
#   domain.cpio     dom0's ramdisk, and a driver domain's: Xen's tools, bash, busybox
#   guest.cpio      a guest's ramdisk: busybox
#   fio.cpio        the same with fio and e2fsprogs
#   net.cpio        busybox, ethtool, iperf3
#   web.cpio        the same with nginx and wrk
#   lies.cpio       busybox, and what a frontend in user space needs
#   disk.img        what dom0 has as its disk: vmlinux and the ramdisks for its guests,
#                   and room for the guests' disks
#   own.cpio        our programs and the scenarios; made anew for each boot, seconds
#
# The large ones are made again when a package or this file changes.

xen_packages="qemu-system-x86 xen-hypervisor-4.17-amd64 xen-utils-4.17 xenstore-utils
	busybox-static cpio kmod xz-utils e2fsprogs fio iproute2 bridge-utils ethtool iperf3 jq
	qemu-system-xen systemd wrk curl libpcre2-8-0 libssl3 zlib1g libcrypt1 zstd"

# Room for the guests' disks. The file is sparse, and what a boot writes is thrown away.
disk_size=3G

domain_modules="xen-evtchn xen-gntdev xen-gntalloc xen-privcmd xenfs nvme ext4 crc32c_generic
	loop null_blk bridge tun xen-netback"
guest_modules="xen-blkfront xen-netfront"
fio_modules="xen-blkfront ext4 crc32c_generic"
net_modules="xen-blkfront xen-netfront"
lies_modules="xen-evtchn xen-gntdev xen-gntalloc"
# Loaded by a scenario that wants them.
module_files="xen-blkback"
net_module_files="pktgen ext4 crc32c_generic"

domain_programs="bash jq stat flock sleep timeout dd truncate ip brctl losetup blockdev e2fsck
	mkfs.ext4 xenstore-read xenstore-write xenstore-ls xenstore-list xenstore-rm
	xenstore-exists xenstore-chmod xenstore-watch ethtool iperf3"
guest_programs="dd xenstore-read xenstore-write xenstore-ls xenstore-watch blkdiscard"
fio_programs="$guest_programs fio mkfs.ext4 e2fsck fstrim"
net_programs="$guest_programs ethtool iperf3"
web_programs="$net_programs wrk"
# The last is loaded by pthread_cancel(), by name.
lies_libraries="libxengnttab.so.1 libxenevtchn.so.1 libxenstore.so.4 libgcc_s.so.1"
# Of tests/hostile; run sends them as they are built for the simulated Xen.
lies="refused grants rewrite contiguous deaf flood rings jump net_chains net_cuts net_control
	net_flood net_queues net_flap net_rewrite net_fatal net_jump"
xen_programs="xl xenstored xen-init-dom0 xenconsoled libxl-save-helper"

# put_libraries FILE: what it needs, to /usr/lib, where they are found as in /lib
put_libraries() {
	local file
	ldd "$1" 2>/dev/null | sed -nE 's/^(.* => |\s+)(\/[^ ]+) \(.*/\2/p' |
		while read -r file; do
			case $file in /lib*) file=/usr$file ;; esac
			[ -e "$stage$file" ] && continue
			mkdir -p "$stage${file%/*}"
			cp -L "$file" "$stage$file"
		done
}

# put PATH: a program where it is, and its libraries
put() {
	mkdir -p "$stage/$(dirname "$1")"
	cp -L "$1" "$stage/$1"
	put_libraries "$1"
}

# new_stage NAME: an empty root directory
new_stage() {
	stage=$cache/$1
	rm -rf "$stage"
	mkdir -p "$stage"/{usr/{bin,sbin,lib,lib64},etc,dev,proc,sys,run,tmp,var,root,modules}
	ln -s usr/bin usr/sbin usr/lib usr/lib64 "$stage"
	ln -s /run "$stage/var/run"
	put "$(command -v busybox)"
}

# busybox for all names that are not taken
fill_with_busybox() {
	local name
	busybox --list | while read -r name; do
		[ -e "$stage/usr/bin/$name" ] || [ -e "$stage/usr/sbin/$name" ] ||
			ln -s busybox "$stage/usr/bin/$name"
	done
}

# put_module FILE: unpacked, as Linux 6.1's are; says its name
put_module() {
	local name=${1##*/}
	name=${name%.xz}
	case $1 in
	*.xz) xz -dc "$1" >"$stage/modules/$name" ;;
	*) cp "$1" "$stage/modules/" ;;
	esac
	echo "$name"
}

# put_modules LIST NAME...: modules flat, LIST names them in the order to load them
put_modules() {
	local list=$stage/modules/$1 name file
	shift
	for name in "$@"; do
		modprobe -d "$kernel" -S "$version" --show-depends "$name" || return
	done | sed -n 's/^insmod \([^ ]*\).*/\1/p' | awk '!seen[$0]++' |
		while read -r file; do
			put_module "$file"
		done >"$list"
	[ -s "$list" ]
}

pack() { # STAGE CPIO
	(cd "$1" && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0) >"$2.part" &&
		mv "$2.part" "$2"
}

fetch_kernel() {
	local package
	package=$(kernel_package) || return
	kernel=$cache/kernel
	version=${package#linux-image-}
	rm -rf "$kernel"
	unpack_package "$package" "$kernel" || return
	depmod -b "$kernel" "$version" || return
	unpack_kernel "$kernel/boot/vmlinuz-$version" >"$cache/vmlinux"
}

# unpack_kernel BZIMAGE: where the payload lies stands in its header (boot.rst of Linux);
# the last four bytes are its unpacked length. Linux 6.1's is xz, 6.12's zstd.
unpack_kernel() {
	local sectors offset length payload=$cache/payload
	sectors=$(od -An -tu1 -j 497 -N 1 "$1")
	read -r offset length <<<"$(od -An -tu4 -j 584 -N 8 "$1")"
	tail -c +$(((sectors + 1) * 512 + offset + 1)) "$1" | head -c $((length - 4)) >"$payload"
	xz -dc <"$payload" 2>/dev/null || zstd -dcq "$payload" || return
	rm "$payload"
}

kernel_package() {
	apt-cache depends "$linux" |
		sed -nE 's/.*Depends: (linux-image-[0-9].*)/\1/p' | head -n 1 | grep .
}

make_domain() {
	local name
	new_stage domain
	# shellcheck disable=SC2086
	put_modules load $domain_modules || return
	# shellcheck disable=SC2086
	put_modules more $module_files || return
	for name in $domain_programs; do put "$(command -v "$name")" || return; done
	for name in $xen_programs; do
		put "/usr/lib/xen-4.17/bin/$name" || return
		ln -sf "../lib/xen-4.17/bin/$name" "$stage/usr/sbin/$name"
	done
	# pthread_cancel() loads it by name.
	cp "$(gcc -print-file-name=libgcc_s.so.1)" "$stage/usr/lib/x86_64-linux-gnu/" || return
	ln -sf busybox "$stage/usr/bin/sh"
	fill_with_busybox
	cp -r /etc/xen "$stage/etc/"
	printf 'autoballoon="off"\n' >"$stage/etc/xen/xl.conf"
	pack "$stage" "$cache/domain.cpio"
}

guest_stage() { # NAME MODULES PROGRAMS [MODULE-FILES [LIBRARIES]]
	local name
	new_stage "$1"
	# shellcheck disable=SC2086
	put_modules load $2 || return
	# shellcheck disable=SC2086
	[ -z "${4:-}" ] || put_modules more $4 || return
	for name in $3; do put "$(command -v "$name")" || return; done
	for name in ${5:-}; do put "/usr/lib/x86_64-linux-gnu/$name" || return; done
	fill_with_busybox
}

make_guest() { # as guest_stage
	guest_stage "$@" && pack "$stage" "$cache/$1.cpio"
}

make_web() {
	local nginx=$cache/nginx/usr/sbin/nginx
	guest_stage web "$net_modules" "$web_programs" || return
	unpack_package nginx "$cache/nginx" || return
	cp "$nginx" "$stage/usr/sbin/" || return
	put_libraries "$nginx"
	# nginx asks for its user's name.
	echo root:x:0:0::/root:/bin/sh >"$stage/etc/passwd"
	echo root:x:0: >"$stage/etc/group"
	pack "$stage" "$cache/web.cpio"
}

# A stage is copied to dom0 by a scenario: less what dom0 has, for a library that is
# overwritten takes the processes along that use it.
leave_domain_out() {
	local file
	rm -f "$stage"/{usr/bin/busybox,bin,sbin,lib,lib64,var/run}
	(cd "$stage" && find . -type f) | while read -r file; do
		[ ! -e "$cache/domain/$file" ] || rm "$stage/$file"
	done
}

# For a scenario that compares us with QEMU.
make_qemu() {
	new_stage qemu
	put /usr/libexec/xen-qemu-system-i386 || return
	mkdir -p "$stage/usr/share/qemu"
	cp -r /usr/share/qemu/keymaps "$stage/usr/share/qemu/"
	leave_domain_out
}

# For a scenario that runs the unit.
make_systemd() {
	new_stage systemd
	put /lib/systemd/systemd && put /usr/bin/systemctl && put /usr/bin/systemd-sysusers || return
	leave_domain_out
}

make_disk() {
	local stage=$cache/disk
	rm -rf "$stage" "$cache/disk.img"
	mkdir "$stage"
	cp -a "$cache"/{qemu,systemd} "$stage/" || return
	cp "$cache"/{vmlinux,domain.cpio,guest.cpio,fio.cpio,net.cpio,web.cpio,lies.cpio} "$stage/"
	truncate -s "$disk_size" "$cache/disk.img.part"
	mke2fs -q -t ext4 -E lazy_itable_init=1,lazy_journal_init=1 -d "$stage" \
		"$cache/disk.img.part" || return
	mv "$cache/disk.img.part" "$cache/disk.img"
}

make_images() {
	zcat /boot/xen-4.17-amd64.gz >"$cache/xen" &&
		fetch_kernel && make_domain &&
		make_guest guest "$guest_modules" "$guest_programs" &&
		make_guest fio "$fio_modules" "$fio_programs" &&
		make_guest net "$net_modules" "$net_programs" "$net_module_files" &&
		make_guest lies "$lies_modules" "$guest_programs" "" "$lies_libraries" &&
		make_web && make_qemu && make_systemd && make_disk &&
		rm -rf "$cache"/{kernel,domain,guest,fio,net,lies,web,nginx,qemu,systemd,disk}
}

# What the large images are made from.
stamp() {
	kernel_package
	apt-cache policy "$(kernel_package)" nginx | grep Candidate
	# shellcheck disable=SC2086
	dpkg-query -W $xen_packages libc6
	sha256sum "$here/images.sh" | cut -d ' ' -f 1
}

need_room() { # MEBIBYTES
	local free
	free=$(df --output=avail -m "$cache" | tail -n 1 | tr -d " ")
	[ "$free" -ge "$1" ] || die "needs $1 MiB of free space for $cache, there are $free"
}

images() {
	mkdir -p "$cache"
	if [ -f "$cache/stamp" ] && [ "$(stamp)" = "$(cat "$cache/stamp")" ]; then return; fi
	need_room 1500
	rm -f "$cache/stamp"
	step "images" make_images || die "cannot make the images"
	stamp >"$cache/stamp"
}

# Our own programs, in a build of their own.
binaries=build-xen
own_build() {
	build "$binaries" --buildtype=release -Dtests=false --prefix=/usr --sysconfdir=/etc
}

# For the scenarios of restarts: curl, with what the guests have not, and xenstore-control.
own_extras() {
	local file
	put /usr/lib/xen-4.17/bin/xenstore-control || return
	mkdir -p "$stage/xm/curl"
	cp /usr/bin/curl "$stage/xm/curl/" || return
	ldd /usr/bin/curl | sed -nE 's/^.* => (\/[^ ]+) .*/\1/p' | grep -v '/lib[cm]\.so' |
		while read -r file; do cp -L "$file" "$stage/xm/curl/" || return; done
}

# Our own programs as they are installed, and the scenarios; appended to dom0's ramdisk.
own_image() { # DIRECTORY SCENARIO...
	local out=$1 name
	shift
	stage=$out/own
	rm -rf "$stage"
	mkdir -p "$stage"/{xm/{lies,web},etc}
	printf '%s\n' root:x:0:0::/root:/bin/bash xenmeter:x:800:800::/:/bin/false >"$stage/etc/passwd"
	DESTDIR=$stage meson install -C "$binaries" --no-rebuild --quiet || return
	rm -rf "$stage"/usr/{share,include} "$stage"/usr/lib/{pkgconfig,*.a}
	# What goes to /lib belongs to /usr/lib: a directory would replace the link.
	cp -a "$stage/lib" "$stage/usr/" && rm -r "$stage/lib" || return
	put_libraries "$stage/usr/sbin/xenmeterd" || return
	put_libraries "$stage/usr/bin/xenmeter" || return
	install -m 755 "$here/domain-init" "$stage/init" || return
	gcc -O2 -o "$stage/xm/load" "$here/load.c" || return
	gcc -O2 -o "$stage/xm/gaps" "$here/gaps.c" || return
	gcc -O2 -o "$stage/usr/bin/frames" "$here/frames.c" || return
	gcc -O2 -o "$stage/usr/bin/cpu_time" "$here/cpu_time.c" -lxenctrl || return
	gcc -O2 -o "$stage/usr/bin/programs" "$here/programs.c" -lbpf || return
	put_libraries "$stage/usr/bin/programs" || return
	gcc -O2 -Iaccounting -o "$stage/usr/bin/books" "$here/books.c" -L"$binaries/accounting" \
		-lxenmeter -lxenctrl || return
	for name in $lies; do cp "build/tests/hostile/$name" "$stage/xm/lies/" || return; done
	install -m 755 tests/daemon/systemd-init "$stage/xm/" || return
	cp tests/bench/study/{nginx.conf,pace.lua} "$stage/xm/web/" || return
	cp -r "$here"/{lib.sh,net.sh,handover.sh,kills.sh,systemd.sh,numbers.sh,study.sh,liar.sh,talk.sh,driver.sh,coverage.sh,guest-init,guest-net.sh} \
		"$here/scenarios" "$stage/xm/" || return
	case " $*" in
	*" restart"*) own_extras || return ;;
	esac
	printf '%s\n' "$@" >"$stage/xm/wanted"
	echo "${XEN_ROUNDS:-2}" >"$stage/xm/rounds"
	echo "${XEN_KILLS:-1}" >"$stage/xm/kills"
	echo "${XEN_TRIES:-3}" >"$stage/xm/tries"
	echo "${XEN_ROWS:-.}" >"$stage/xm/rows"
	echo "$patience" >"$stage/xm/patience"
	(cd "$stage" && find . >xm/files) # a driver domain needs the same
	pack "$stage" "$out/own.cpio" && cat "$cache/domain.cpio" "$out/own.cpio" >"$out/ramdisk"
}
