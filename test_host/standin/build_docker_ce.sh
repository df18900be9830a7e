#!/bin/sh
# Runs inside a trixie container: repacks Debian's own Docker as the packages of a Docker CE archive for bookworm,
# signed with a key made on the spot, and leaves it as /srv/docker-ce (linux/debian/{gpg,dists,pool}).
set -eu
suite=bookworm
root=/srv/docker-ce/linux/debian
work=/root/docker-ce
mkdir -p "$root/pool" "$root/dists/$suite/stable/binary-amd64" "$work"
cd "$work"

export DEBIAN_FRONTEND=noninteractive
sed "s/trixie/$suite/g" /etc/apt/sources.list >/etc/apt/sources.list.d/"$suite".list
apt-get -qq update
apt-get -qq -y install --no-install-recommends apt-utils gnupg dpkg >/dev/null
apt-get -qq -y -t trixie download docker.io docker-cli docker-compose docker-buildx containerd tini >/dev/null
# runc of trixie wants a newer libc than bookworm has.
apt-get -qq -y download "runc/$suite" >/dev/null

# repack NEW VERSION DEPENDS CONFLICTS OLD…: one package out of the files of several
repack() {
  new=$1 version=$2 depends=$3 conflicts=$4
  shift 4
  rm -rf tree && mkdir -p tree
  for old in "$@"; do
    dpkg-deb --raw-extract "$old"_*.deb one
    cp -a one/. tree/
    rm -rf one
  done
  rm -rf tree/usr/share/doc tree/usr/share/lintian tree/DEBIAN/md5sums
  cat >tree/DEBIAN/control <<CONTROL
Package: $new
Version: $version
Architecture: amd64
Maintainer: Twinport tests <noreply@example.invalid>
Depends: $depends
Conflicts: $conflicts
Replaces: $conflicts
Description: stand-in for $new, made from Debian's packages
CONTROL
  dpkg-deb --build --root-owner-group -Zgzip tree "$root/pool/${new}_amd64.deb" >/dev/null
}

tail="1~debian.12~$suite"
repack containerd.io "1.7.24-$tail" "libc6, libseccomp2" "containerd, runc" runc containerd
repack docker-ce-cli "5:26.1.5-$tail" "libc6" docker-cli docker-cli
repack docker-ce "5:26.1.5-$tail" "containerd.io, docker-ce-cli, libsystemd0, adduser, iptables" docker.io tini docker.io
repack docker-compose-plugin "2.26.1-$tail" "libc6" docker-compose-v2 docker-compose
repack docker-buildx-plugin "0.13.1-$tail" "libc6" docker-engine docker-buildx

cd "$root"
apt-ftparchive packages pool >"dists/$suite/stable/binary-amd64/Packages"
apt-ftparchive -o APT::FTPArchive::Release::Suite="$suite" -o APT::FTPArchive::Release::Codename="$suite" \
  -o APT::FTPArchive::Release::Components=stable -o APT::FTPArchive::Release::Architectures=amd64 \
  release "dists/$suite" >Release.new
mv Release.new "dists/$suite/Release"
gpg --batch --quiet --passphrase '' --quick-generate-key 'Twinport tests <noreply@example.invalid>' rsa2048 sign never
gpg --batch --yes --armor --output gpg --export
gpg --batch --list-keys --with-colons | awk -F: '$1 == "fpr" { print $10; exit }' >/srv/docker-ce/fingerprint
gpg --batch --yes --clearsign --output "dists/$suite/InRelease" "dists/$suite/Release"
