#!/bin/bash
# Makes the fake microphones and cameras (needs ffmpeg): four tones and four colours, so that a test can tell who is
# heard and seen. Files land in media/ beside this script and are not committed.
set -e; mkdir -p "$(dirname "$0")/media"; cd "$(dirname "$0")/media"
n=0
for colour in red lime blue yellow; do
  n=$((n + 1)); hz=$((n * 400))
  [ -e "$colour.mjpeg" ] && [ -e "tone$hz.wav" ] && continue
  # 16-bit PCM mono 48 kHz; the period fits the length, so that the loop has no click.
  ffmpeg -loglevel error -y -f lavfi -i "sine=frequency=$hz:sample_rate=48000:duration=5" -ac 1 -c:a pcm_s16le "tone$hz.wav"
  # 320x240 at 15 a second: one colour and a white bar that moves with every frame.
  ffmpeg -loglevel error -y -f lavfi -i "color=$colour:s=320x240:r=15:d=4" -f lavfi -i "color=white:s=10x240:r=15:d=4" \
    -filter_complex "[0][1]overlay=x='mod(n*8,310)':y=0,format=yuvj420p" -c:v mjpeg -q:v 3 -f mjpeg "$colour.mjpeg"
done
# A publisher without an encoder sends these: one picture in three sizes with a keyframe every second, and a tone.
for height in 180 360 720; do
  [ -e "yellow-$height.ivf" ] && continue
  ffmpeg -loglevel error -y -f lavfi -i "color=yellow:s=$((height * 16 / 9))x$height:r=15:d=4" -f lavfi -i "color=white:s=$((height / 18))x$height:r=15:d=4" \
    -filter_complex "[0][1]overlay=x='mod(n*W/40,W*31/32)':y=0,format=yuv420p" -c:v libvpx -deadline realtime -cpu-used 8 -g 15 -keyint_min 15 -b:v "$((height * 2))k" -f ivf "yellow-$height.ivf"
done
[ -e tone1600.opus ] || ffmpeg -loglevel error -y -i tone1600.wav -c:a libopus -b:a 32k -frame_duration 20 -page_duration 20000 -f ogg tone1600.opus
