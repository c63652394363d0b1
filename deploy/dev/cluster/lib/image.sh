# Images, made here because there is no registry to have them from: each an archive in the cache, of one layer.
# shellcheck shell=sh

# What a sandbox in a test runs in: the machine's own Debian, from its own mirror, with what an agent asks for first.
DEBIAN_PACKAGES=git,curl,python3,ca-certificates,procps,iproute2,iputils-ping,netcat-openbsd

image() {
    need_root
    need_packages
    find_parts
    lock build
    debian_image
    unlock
    if is_running; then load "$debian"; fi
}

# Made once for each release of Debian and list of packages; `debian` is where it is.
debian_image() {
    . /etc/os-release
    debian=$cache/debian-$(echo "$VERSION_CODENAME $DEBIAN_PACKAGES $(uname -m)" | sha256sum | cut -c1-12).tar
    [ ! -e "$debian" ] || return 0
    say "making the image exeat.dev/test/debian (debootstrap, about a minute)"
    new_scratch
    for mirror in $(mirrors); do
        # In a mount namespace of its own, so that a debootstrap that is interrupted leaves none of its mounts.
        if unshare --mount debootstrap --variant=minbase --include="$DEBIAN_PACKAGES" \
            "$VERSION_CODENAME" "$scratch/debian" "$mirror" >"$scratch/log" 2>&1 </dev/null; then
            trim "$scratch/debian"
            pack exeat.dev/test/debian:latest '"Cmd": ["/bin/bash"]' "$scratch/debian" "$debian"
            rm -rf "$scratch/debian"
            return 0
        fi
        tail -n 5 "$scratch/log" >&2
        rm -rf "$scratch/debian"
    done
    fail "debootstrap failed (above)"
}

# Packages, lists and documents are no use to a test, and apt's sources name the mirror of this machine.
trim() {
    (cd "$1" && rm -rf var/cache/apt/* var/lib/apt/lists/* var/log/* usr/share/doc/* usr/share/man/* usr/share/locale/* \
        etc/apt/sources.list etc/resolv.conf etc/hostname)
}

# The archives of the machine's own sources, without those that hold updates only.
mirrors() {
    # shellcheck disable=SC2016 # apt's own variables
    apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
        sed -n "s/^$VERSION_CODENAME //p" | sort -u
}

# The image of one static program: binary_image NAME.
binary_image() {
    archive=$(part "$1").tar
    [ ! -e "$archive" ] || return 0
    new_scratch
    mkdir -p "$scratch/$1"
    cp "$(part "$1")" "$scratch/$1/$1"
    pack "exeat.dev/cluster/$1:latest" "\"Entrypoint\": [\"/$1\"]" "$scratch/$1" "$archive"
}

# Makes an archive, in the format of `docker save`, of an image of one layer: pack NAME CONFIG FOLDER ARCHIVE.
pack() {
    packed=$scratch/pack
    rm -rf "$packed" && mkdir "$packed"
    tar -C "$3" --sort=name --mtime=@0 --numeric-owner -cf "$packed/layer.tar" .
    layer=$(sha256sum "$packed/layer.tar" | cut -d' ' -f1)
    case $(uname -m) in x86_64) architecture=amd64 ;; aarch64) architecture=arm64 ;; *) architecture=$(uname -m) ;; esac
    # Without architecture and os containerd takes the image for one of another machine.
    cat >"$packed/config.json" <<END
{"architecture": "$architecture", "os": "linux", "created": "1970-01-01T00:00:00Z",
 "config": {"Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"], $2},
 "rootfs": {"type": "layers", "diff_ids": ["sha256:$layer"]}}
END
    cat >"$packed/manifest.json" <<END
[{"Config": "config.json", "RepoTags": ["$1"], "Layers": ["layer.tar"]}]
END
    tar -C "$packed" -cf "$4.new" manifest.json config.json layer.tar && mv "$4.new" "$4"
    rm -rf "$packed"
}

load() {
    need_running
    [ -r "$1" ] || fail "there is no archive \`$1\`"
    quietly import "$1"
    say "loaded $1"
}

import() { "$bin/ctr" --address "$dir/containerd.sock" --namespace k8s.io images import "$1"; }
