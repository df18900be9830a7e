#!/bin/sh
# Runs inside a Debian container: makes an archive with the layout of NVIDIA's, signed with a key made on the spot, and leaves
# it as /srv/nvidia (gpgkey, stable/deb/amd64). Its packages carry the files that lie in /srv/nvidia-files.
set -eu
version=1.20.0-1
root=/srv/nvidia
archive=$root/stable/deb/amd64
files=/srv/nvidia-files
work=/root/nvidia
mkdir -p "$archive" "$work"
cd "$work"

export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
apt-get -qq -y install --no-install-recommends apt-utils gnupg dpkg >/dev/null

# pack NAME DEPENDS FILE…: one package; each file goes to /usr/bin
pack() {
  name=$1 depends=$2
  shift 2
  rm -rf tree && mkdir -p tree/DEBIAN tree/usr/bin "tree/usr/share/doc/$name"
  # dpkg forgets a package that holds nothing of its own.
  echo "a stand-in for tests" >"tree/usr/share/doc/$name/README"
  for file in "$@"; do
    install -m 0755 "$files/$file" tree/usr/bin/
  done
  cat >tree/DEBIAN/control <<CONTROL
Package: $name
Version: $version
Architecture: amd64
Maintainer: Twinport tests <noreply@example.invalid>
Depends: $depends
Description: stand-in for $name
CONTROL
  dpkg-deb --build --root-owner-group -Zgzip tree "$archive/${name}_${version}_amd64.deb" >/dev/null
}

pack libnvidia-container1 libc6
pack libnvidia-container-tools "libnvidia-container1 (= $version)"
pack nvidia-container-toolkit-base python3 nvidia-container-runtime nvidia-ctk
pack nvidia-container-toolkit "nvidia-container-toolkit-base (= $version), libnvidia-container-tools (= $version)" \
  nvidia-container-runtime-hook

cd "$archive"
apt-ftparchive packages . >Packages
apt-ftparchive -o APT::FTPArchive::Release::Architectures=amd64 release . >"$work/Release"
mv "$work/Release" Release
gpg --batch --quiet --passphrase '' --quick-generate-key 'Twinport tests <noreply@example.invalid>' rsa2048 sign never
gpg --batch --yes --armor --export >"$root/gpgkey"
gpg --batch --yes --clearsign --output InRelease Release
gpg --batch --with-colons --list-keys | awk -F: '$1 == "fpr" { print $10; exit }' >"$root/fingerprint"
